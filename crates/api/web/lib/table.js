// Why: the long lists of the administrators: a table that loads page after page, and says when it is
// empty or could not be loaded.

import { Problem, list } from './api.js';
import { fill, h, once } from './dom.js';
import { problemText } from './form.js';
import { t } from './i18n.js';

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
  const rows = h('tbody');
  const fault = h('p', { class: 'fault', role: 'alert' });
  const empty = h('p', { class: 'empty', hidden: true }, t('admin.none'));
  const more = h('button', { class: 'more', hidden: true });
  const head = h('tr', null, columns.map((title) => (title ? h('th', { scope: 'col' }, title) : h('td'))));
  const table = h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption }, h('table', null, h('caption', null, caption), h('thead', null, head), rows));

  /** @param {string | null} after */
  async function load(after) {
    fill(fault);
    try {
      const { data, next } = await list(route, { ...query, limit: PAGE, after });
      if (!after) fill(rows);
      rows.append(...data.map((row) => h('tr', null, cells(row, () => load(null)).map((cell) => h('td', null, cell)))));
      empty.hidden = rows.childElementCount > 0;
      more.hidden = next === null;
      more.onclick = once(() => load(next));
      fill(more, t('more'));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(fault, problemText(problem));
    }
  }
  load(null);
  return {
    element: h('div', { class: 'stack' }, fault, table, empty, more),
    /** Looks for something else. @param {Record<string, string | null>} wanted */
    search(wanted) {
      query = wanted;
      return load(null);
    },
  };
}
