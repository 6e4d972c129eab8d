// Why: the long lists of the administrators: a table that loads page after page, and says when it is
// empty or could not be loaded.

import { Problem, list } from './api.js';
import { fill, h, once } from './dom.js';
import { problemText } from './form.js';
import { t } from './i18n.js';
import { patiently } from './retry.js';

const PAGE = 50;

/**
 * A table of a list of the API.
 *
 * @param {object} how
 * @param {string} how.route
 * @param {string} how.caption
 * @param {string[]} how.columns their titles; a last, empty one holds buttons
 * @param {(row: any, reload: () => Promise<void>) => any[]} how.cells of one row
 */
export function pagedTable({ route, caption, columns, cells }) {
  /** @type {Record<string, string | null>} */
  let query = {};
  let turn = 0;
  const rows = h('tbody');
  const fault = h('p', { class: 'fault', role: 'alert' });
  const empty = h('p', { class: 'empty', hidden: true }, t('admin.none'));
  const more = h('button', { class: 'more', hidden: true });
  const head = h('tr', null, columns.map((title) => (title ? h('th', { scope: 'col' }, title) : h('td'))));
  const table = h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption }, h('table', null, h('caption', null, caption), h('thead', null, head), rows));

  /** @param {string | null} after */
  async function load(after) {
    turn += 1;
    const own = turn;
    fill(fault);
    // Nobody waits any more for what was asked before, or for a table that is gone.
    const over = new AbortController();
    const told = (/** @type {Problem} */ problem) => (own === turn && root.isConnected ? fill(fault, problemText(problem)) : over.abort());
    try {
      const { data, next } = await patiently(() => list(route, { ...query, limit: PAGE, after }), { told, signal: over.signal });
      if (own !== turn) return;
      fill(fault);
      if (!after) fill(rows);
      rows.append(...data.map((row) => h('tr', null, cells(row, () => load(null)).map((cell) => h('td', null, cell)))));
      empty.hidden = rows.childElementCount > 0;
      more.hidden = next === null;
      more.onclick = once(() => load(next));
      fill(more, t('more'));
    } catch (problem) {
      if (over.signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      fill(fault, problemText(problem));
    }
  }
  const root = h('div', { class: 'stack' }, fault, table, empty, more);
  load(null);
  return {
    element: root,
    /** Looks for something else. @param {Record<string, string | null>} wanted */
    search(wanted) {
      query = wanted;
      return load(null);
    },
  };
}
