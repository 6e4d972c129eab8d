// Why: the whole transcript beside the video: to read back, search, filter by speaker, correct, add
// to by typing, and take along.

import { View, define, fill, h } from '../lib/dom.js';
import { open } from '../lib/dialog.js';
import { Problem, list, path, randomKey } from '../lib/api.js';
import { field, form, problemText } from '../lib/form.js';
import { clock, moment } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { save } from '../lib/save.js';
import { UNSURE } from './captions.js';
import { blankText, displace, follower, place } from './follow.js';

const SEARCH_WAIT_MS = 250;
const FORMATS = ['vtt', 'srt', 'txt', 'json'];
const LENGTH_MAX = 4000;

class Transcript extends View {
  /** @type {import('./call.js').Call} */
  call = /** @type {any} */ (null);
  /** @type {Map<number, HTMLElement>} */
  shown = new Map();
  list = follower(t('transcript.label'), () => this.call.loadRows('captions', this.call.earlier.captions ?? ''));
  query = '';
  speaker = '';
  turn = 0;
  /** What could not be sent; the same text again has the same key. @type {{text: string, key: string} | null} */
  unsent = null;

  build() {
    this.className = 'panel-body transcript';
    this.empty = h('p', { class: 'empty' });
    this.speakers = h('select', { 'aria-label': t('transcript.speaker'), onchange: () => { this.speaker = this.speakers.value; this.redraw(); } });
    let timer = 0;
    const search = h('input', { type: 'search', 'aria-label': t('transcript.search'), placeholder: t('transcript.search'), oninput: () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => { this.query = search.value.trim(); this.redraw(); }, SEARCH_WAIT_MS);
    } });
    this.fault = h('p', { class: 'fault', role: 'alert' });
    this.input = h('input', { maxlength: LENGTH_MAX, 'aria-label': t('transcript.type'), placeholder: t('transcript.type') });
    const type = h('form', { class: 'write', onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); this.type(); } }, this.input,
      h('button', { class: 'primary icon-only', 'aria-label': t('transcript.type.send') }, icon('send')));
    this.append(
      h('div', { class: 'tools' }, search, this.speakers, h('details', { class: 'export' },
        h('summary', { class: 'button small' }, icon('download'), t('transcript.export')),
        h('div', { class: 'row' }, FORMATS.map((one) => h('button', { class: 'small', onclick: () => this.take(one) }, one.toUpperCase()))))),
      this.empty, this.list.element, this.fault, type);
    this.listen(this.call, 'captions', (e) => this.fits(e.detail.row) && this.show(e.detail.row, e.detail.live));
    this.listen(this.call, 'dropped', ({ detail }) => detail.which === 'captions' && displace(this.shown, detail.id));
    for (const type of ['missing', 'loaded']) this.listen(this.call, type, () => this.blank());
    // What was found is the server's, and may be more than the call's own rows.
    this.listen(this.call, 'forgot', () => this.query && this.redraw());
    this.listen(this.call, 'anew', () => this.redraw());
    this.listen(this.call, 'earlier', () => this.list.more(Boolean(this.call.earlier.captions)));
    this.listen(this.call, 'people', () => { this.fillSpeakers(); this.redraw(); });
    this.input.disabled = this.call.room.state === 'closed';
    if (this.input.disabled) this.input.placeholder = t('chat.closed');
    this.list.more(Boolean(this.call.earlier.captions));
    this.fillSpeakers();
    this.redraw();
  }

  fillSpeakers() {
    const users = new Set([...this.call.captions.values()].map((row) => row.user_id).filter((user) => user !== null));
    for (const user of this.call.people.keys()) users.add(user);
    fill(this.speakers, h('option', { value: '' }, t('transcript.everybody')),
      [...users].map((user) => h('option', { value: user, selected: String(user) === this.speaker }, this.call.name(user))));
  }

  /** Rows that came live are shown if they fit what is looked for; the server's search is asked again for words. @param {import('./call.js').CaptionRow} row */
  fits(row) {
    if (this.speaker && String(row.user_id) !== this.speaker) return false;
    return !this.query || this.shown.has(row.id);
  }

  async redraw() {
    this.turn += 1;
    const turn = this.turn;
    const rows = this.query ? await this.find() : [...this.call.ordered('captions').values()].filter((row) => this.fits(row));
    if (turn !== this.turn) return;
    this.shown.clear();
    fill(this.list.items);
    for (const row of rows) this.show(row, false);
    this.blank();
    if (!this.query) this.list.down();
  }

  /** What stands there without captions: there may be some that are not here yet. */
  blank() {
    this.empty.hidden = this.shown.size > 0;
    fill(this.empty, this.query ? t('transcript.nothing') : blankText(this.call, 'transcript.empty'));
  }

  /** @returns {Promise<import('./call.js').CaptionRow[]>} */
  async find() {
    fill(this.fault);
    try {
      const route = path`/rooms/${this.call.code}/transcripts`;
      return (await list(route, { q: this.query, user_id: this.speaker || null, limit: 100 })).data;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(this.fault, problemText(problem));
      return [];
    }
  }

  /** @param {import('./call.js').CaptionRow} row @param {boolean} live */
  show(row, live) {
    this.empty.hidden = true;
    const name = this.call.name(row.user_id, row);
    const dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
    dot.style.backgroundColor = this.call.colour(row.user_id);
    const unsure = row.confidence !== null && row.confidence < UNSURE && row.revision === 1;
    const item = h('li', { class: 'segment', data: { id: row.id } },
      h('span', { class: 'when', title: moment(row.created_at) }, clock(row.start_ms)),
      h('span', { class: 'said' },
        h('span', { class: 'who' }, dot, h('bdi', null, name)), ' ',
        h('span', { class: unsure ? 'word unsure' : 'word', lang: this.call.language(row, row.user_id), dir: 'auto' },
          row.ts_content ?? t('chat.erased')),
        unsure ? h('span', { class: 'unseen' }, t('transcript.unsure')) : null,
        row.revision > 1 ? h('span', { class: 'tag' }, t('transcript.corrected')) : null,
        row.kind !== 'gloss' ? h('span', { class: 'tag kind' }, t(`transcript.kind.${row.kind}`)) : null),
      h('button', { class: 'quiet small icon-only', 'aria-label': t('transcript.correct.of', { text: row.ts_content ?? '' }), onclick: () => this.correct(row) }, icon('edit')));
    place(this.list.items, item, this.shown);
    this.list.grew(live);
  }

  /** @param {import('./call.js').CaptionRow} row */
  async correct(row) {
    const route = path`/transcripts/${row.id}`;
    const earlier = h('ul', { class: 'revisions' });
    if (row.revision > 1) this.revisions(route, earlier);
    await open(t('transcript.correct'), (close) => [
      form({
        fields: field('ts_content', t('transcript.correct.field'), { required: true, value: row.ts_content ?? '', maxlength: LENGTH_MAX, hint: t('transcript.correct.hint') }),
        button: t('save'),
        send: async (data) => {
          const next = await this.call.ask(route, { json: { ts_content: data.ts_content } }, 'PATCH');
          if (next) this.call.put('captions', next, false);
          close();
        },
      }), earlier]);
  }

  /** @param {string} route @param {Element} place of the list */
  async revisions(route, place) {
    const { data } = await list(path`/rooms/${this.call.code}` + `${route}/revisions`, { limit: 20 }).catch(() => ({ data: [] }));
    place.append(...data.map((one) => h('li', null, h('span', { class: 'tag' }, `${one.revision}`), ' ', one.ts_content ?? '', ' ',
      h('span', { class: 'soft' }, one.editor_id ? this.call.name(one.editor_id) : one.model ?? ''))));
  }

  async type() {
    const text = this.input.value.trim();
    if (!text) return;
    const { unsent } = this;
    const key = unsent && unsent.text === text ? unsent.key : randomKey();
    this.unsent = null;
    this.input.value = '';
    fill(this.fault);
    try {
      const row = await this.call.ask('/transcripts', { json: { ts_content: text }, key });
      if (row) this.call.put('captions', row, true);
      this.list.down();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.input.value = [text, this.input.value].filter(Boolean).join(' ');
      this.unsent = { text, key };
      fill(this.fault, problemText(problem));
    }
  }

  /** Saves the transcript as a file. @param {string} format */
  async take(format) {
    fill(this.fault);
    try {
      await save(`${path`/rooms/${this.call.code}`}/transcript.${format}`, `${this.call.code}.${format}`);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(this.fault, problemText(problem));
    }
  }
}

/** The panel. */
export const transcript = define('sc-transcript', Transcript);
