// Why: what came of it, in words and as bars, before anybody relies on it; and what to do next, since
// a new model is used by nobody until it is chosen.

import { Problem, api, list, path } from '../lib/api.js';
import { fill, h, svg } from '../lib/dom.js';
import { choice, form } from '../lib/form.js';
import { showCode } from '../lib/format.js';
import { t } from '../lib/i18n.js';

/** From here on a sign is told apart well, and fairly: shares of its own clips and, at most, of others. */
const WELL = { own: 0.9, others: 0.02 };
const FAIRLY = { own: 0.7, others: 0.1 };
const ROOMS = 100;

/** @typedef {{text: string, clips: number}} Alike */
/** @typedef {{model: string, base: string, label: string, clips: number, recognized: number, read_as: Alike[], others: number, mistaken: number, mistaken_in: Alike[], changed: number, seconds: number}} Taught */

/** How it went, as the end of a message's name. @param {Taught} taught @returns {'well' | 'fairly' | 'badly'} */
function grade({ clips, recognized, others, mistaken }) {
  const fits = (/** @type {typeof WELL} */ least) => recognized / clips >= least.own && mistaken / Math.max(others, 1) <= least.others;
  if (fits(WELL)) return 'well';
  return fits(FAIRLY) ? 'fairly' : 'badly';
}

/** What came of it. @param {Taught} taught @param {() => void} another begins the next sign */
export function result(taught, another) {
  const { label, model, base, clips, recognized, others, mistaken, changed } = taught;
  const how = grade(taught);
  const rows = [
    bar('good', t('teach.result.recognized'), recognized, clips),
    ...taught.read_as.map((one) => bar('bad', t(one.text ? 'teach.result.read' : 'teach.result.unread', { text: one.text }), one.clips, clips)),
    bar(mistaken ? 'bad' : 'good', t('teach.result.mistaken'), mistaken, others),
    ...taught.mistaken_in.map((one) => bar('bad', t(one.text ? 'teach.result.for' : 'teach.result.fornothing', { text: one.text }), one.clips, others)),
    bar('soft', t('teach.result.changed'), changed, others),
  ];
  return h('section', { class: 'card stack taught', 'aria-labelledby': 'teach-result' },
    h('h2', { id: 'teach-result', tabindex: '-1' }, t('teach.result.title', { label })),
    h('p', null, h('span', { class: { well: 'tag', fairly: 'tag wait', badly: 'tag bad' }[how] }, t(`teach.result.${how}`))),
    h('p', null, t(`teach.result.${how}.text`, { label, recognized, clips })),
    h('div', { class: 'table' }, h('table', { class: 'bars' }, h('caption', null, t('teach.result.caption', { model, base })), h('tbody', null, rows))),
    h('p', { class: 'hint' }, t('teach.result.limits')),
    next(model), h('div', null, h('button', { type: 'button', onclick: another }, t('teach.another'))));
}

/** @param {'good' | 'bad' | 'soft'} kind @param {string} what @param {number} count @param {number} of */
function bar(kind, what, count, of) {
  const share = of ? (count / of) * 100 : 0;
  const rect = (/** @type {string} */ name, /** @type {number} */ width) => svg('rect', { class: name, width: width.toFixed(1), height: '8', rx: '1' });
  return h('tr', null, h('th', { scope: 'row' }, what),
    h('td', { class: 'drawn-bar' }, svg('svg', { viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' }, rect('ground', 100), rect(kind, share))),
    h('td', { class: 'figure-of' }, t('teach.of', { count, of })));
}

/** How the new model comes to be used. @param {string} model */
function next(model) {
  const place = h('div', { class: 'stack' });
  const done = h('p', { role: 'status' });
  const load = async () => {
    const { data } = await list('/rooms', { limit: ROOMS });
    const open = data.filter((room) => room.state !== 'closed');
    if (!open.length) return fill(place, h('p', { class: 'soft' }, t('teach.next.norooms')));
    const rooms = /** @type {[string, string][]} */ (open.map((room) => [room.room_code, room.model ? t('teach.next.now', { code: showCode(room.room_code), model: room.model }) : showCode(room.room_code)]));
    return fill(place, form({
      fields: choice('room', t('teach.next.room'), rooms),
      button: t('teach.next.use'),
      send: async ({ room }) => {
        await api('PATCH', path`/rooms/${room}`, { json: { model } });
        fill(done, t('teach.next.used', { code: showCode(room), model }));
      },
      after: done,
    }));
  };
  load().catch((problem) => {
    if (!(problem instanceof Problem)) throw problem;
  });
  return h('div', { class: 'stack next' }, h('h3', null, t('teach.next')), h('p', null, t('teach.next.text')), place,
    h('p', null, t('teach.next.default')), h('p', { class: 'kept' }, `signcall model default ${model}`));
}
