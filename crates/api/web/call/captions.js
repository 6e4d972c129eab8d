// Why: the band of captions: who says what, as it comes. Text that may still change is told apart
// from text that stays, unsure words are marked, and nobody's words stand under another's name.

import { View, define, fill, h, soon } from '../lib/dom.js';
import { contrast, ENOUGH, withOpacity } from '../lib/colour.js';
import { initial } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { changes, prefs } from '../lib/prefs.js';

/** Words of one person that come closer together than this stand on one line. */
const TOGETHER_MS = 5000;
/** A line that has as many letters takes no more words: the next one says the name again. */
const LINE_LETTERS = 64;
/** A line stays at least this long, and longer the more there is to read. */
const DWELL_MS = 6000;
const DWELL_PER_LETTER_MS = 90;
/** Lines remembered; the band shows fewer. */
const LINES_KEPT = 12;
/** Words below this are marked as unsure, whatever the reader's threshold. */
export const UNSURE = 0.6;

/**
 * @typedef {object} Line
 * @property {number | null} user
 * @property {{id: string, text: string, confidence: number | null, kind?: string}[]} words
 * @property {number} until
 * @property {number} last when the last word came
 */

class Captions extends View {
  /** @type {import('./call.js').Call} */
  call = /** @type {any} */ (null);
  /** @type {Line[]} */
  lines = [];
  redraw = () => {};
  /** Filled from `example` instead of a call: the preview in the settings. @type {Line[] | null} */
  example = null;

  build() {
    this.className = 'captions';
    this.setAttribute('aria-hidden', 'true');
    const draw = soon(() => this.draw());
    this.redraw = draw;
    this.listen(changes, 'change', draw);
    if (this.example) this.lines = this.example;
    else {
      this.listen(this.call, 'captions', (e) => this.final(e.detail));
      for (const type of ['partials', 'people']) this.listen(this.call, type, draw);
      const timer = setInterval(() => this.expire(), 500);
      this.onleave(() => clearInterval(timer));
    }
    this.draw();
  }

  /** @param {{row: import('./call.js').CaptionRow, live: boolean}} detail */
  final({ row, live }) {
    const word = { id: row.segment_id, text: row.ts_content ?? '', confidence: row.confidence, kind: row.kind };
    for (const line of this.lines) {
      const at = line.words.findIndex((one) => one.id === word.id);
      if (at >= 0) line.words[at] = word;
    }
    if (live && word.text) {
      const now = Date.now();
      const last = this.lines.findLast((line) => line.user === row.user_id);
      const goesOn = last && last === this.lines.at(-1) && now - last.last < TOGETHER_MS && letters(last) < LINE_LETTERS;
      const joins = goesOn && row.kind !== 'typed';
      const line = joins ? last : { user: row.user_id, words: [], until: 0, last: now };
      line.words.push(word);
      line.last = now;
      line.until = now + DWELL_MS + letters(line) * DWELL_PER_LETTER_MS;
      if (!joins) this.lines.push(line);
      this.lines.splice(0, this.lines.length - LINES_KEPT);
    }
    this.redraw();
  }

  expire() {
    const now = Date.now();
    const kept = this.lines.filter((line) => line.until > now);
    if (kept.length === this.lines.length) return;
    this.lines = kept;
    this.draw();
  }

  draw() {
    const set = prefs().captions;
    this.hidden = !set.shown && !this.example;
    style(this, set);
    const partials = set.partials && this.call ? [...this.call.partials.values()].filter(({ segment }) => sure(segment, set)) : [];
    const seen = (/** @type {Line['words'][0]} */ word) => word.text && sure(word, set);
    const lines = this.lines.map((line) => ({ ...line, words: line.words.filter(seen) }));
    const shown = lines.filter((line) => line.words.length).slice(-set.lines);
    /** @type {Set<number>} */
    const open = new Set(partials.map((one) => one.user));
    const rows = shown.map((line) => {
      const unfinished = line === shown.findLast((one) => one.user === line.user) && line.user !== null && open.delete(line.user)
        ? partials.filter((one) => one.user === line.user) : [];
      return this.row(line.user, line.words, unfinished, set);
    });
    for (const user of open) rows.push(this.row(user, [], partials.filter((one) => one.user === user), set));
    fill(this, rows.slice(-set.lines));
  }

  /** @param {number | null} user @param {Line['words']} words @param {{segment: import('./wire.js').Segment}[]} partials @param {import('../lib/prefs.js').CaptionPrefs} set */
  row(user, words, partials, set) {
    const name = this.call ? this.call.name(user) : t('captions.example.name');
    const colour = this.call ? this.call.colour(user) : '#ffd166';
    const lang = (/** @type {{kind?: string}} */ word) => this.call?.language(word, user);
    const badge = h('span', { class: 'badge' }, initial(name));
    badge.style.backgroundColor = colour;
    const who = h('span', { class: 'who' }, h('bdi', null, name), ':');
    who.style.color = contrast(colour, set.background, set.opacity) >= ENOUGH ? colour : set.text;
    return h('p', { class: 'caption' }, badge, who, ' ', h('span', { dir: 'auto' },
      words.map((word) => [h('span', { class: doubt(word.confidence), lang: lang(word) }, word.text), ' ']),
      partials.map(({ segment }) => partial(segment, lang({})))));
  }
}

/** Whether the reader wants to see what is as sure as this. @param {{confidence?: number | null}} caption @param {import('../lib/prefs.js').CaptionPrefs} set */
export const sure = (caption, set) => (caption.confidence ?? 1) >= set.threshold;

/** @param {Line} line */
const letters = (line) => line.words.reduce((sum, one) => sum + one.text.length, 0);

/** @param {number | null | undefined} confidence */
const doubt = (confidence) => (confidence !== null && confidence !== undefined && confidence < UNSURE ? 'word unsure' : 'word');

/** @param {import('./wire.js').Segment} segment @param {string | null | undefined} lang */
function partial(segment, lang) {
  const tokens = segment.tokens?.length ? segment.tokens : [{ text: segment.text }];
  const spelled = segment.text.replaceAll(' ', '') === tokens.map((token) => token.text).join('') && !segment.text.includes(' ');
  return h('span', { class: 'partial', lang }, tokens.map((token) =>
    [h('span', { class: token.stable ? 'word' : 'word open' }, token.text), spelled ? '' : ' ']));
}

/** Sets what the reader chose, by properties of its own (no inline styles in markup). @param {HTMLElement} element @param {import('../lib/prefs.js').CaptionPrefs} set */
function style(element, set) {
  element.dataset.font = set.font;
  element.dataset.position = set.position;
  const values = {
    '--caption-size': String(set.size / 100),
    '--caption-text': set.text,
    '--caption-ground': withOpacity(set.background, set.opacity),
    '--caption-lines': String(set.lines),
  };
  for (const [name, value] of Object.entries(values)) element.style.setProperty(name, value);
}

/** The band. */
export const captions = define('sc-captions', Captions);
