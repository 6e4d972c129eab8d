// Why: whether the server is well, part by part, as its readiness says.

import { fill, h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';

/** The state of the parts. */
export function health() {
  const place = h('div', { class: 'stack', role: 'status' });
  const look = async () => {
    const answer = await fetch('/readyz', { cache: 'no-store' }).catch(() => null);
    const parts = (await answer?.json().catch(() => null)) ?? {};
    fill(place,
      h('p', { class: 'row' }, h('span', { class: answer?.ok ? 'tag' : 'tag bad' }, t(answer?.ok ? 'admin.health.ready' : answer ? 'admin.health.notready' : 'problem.offline'))),
      h('table', null, h('tbody', null, Object.entries(parts).filter(([name, value]) => name !== 'ready' && !(Array.isArray(value) && value.length === 0)).map(([name, value]) =>
        h('tr', null, h('th', { scope: 'row' }, name), h('td', null, h('span', { class: value === false || Array.isArray(value) ? 'tag bad' : 'tag' }, said(value))))))));
  };
  look();
  return h('div', { class: 'stack' }, place, h('div', null, h('button', { onclick: look }, t('admin.health.again'))));
}

/** @param {unknown} value */
function said(value) {
  if (value === true) return t('admin.health.good');
  if (value === false) return t('admin.health.bad');
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
