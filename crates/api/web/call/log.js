// Why: final captions for screen readers and braille displays: a log that only ever grows, told in
// sips rather than word by word. Unfinished captions never reach it.

import { View, define, fill, h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { prefs } from '../lib/prefs.js';
import { UNSURE, sure } from './captions.js';

const SIP_MS = 2000;
const KEPT = 200;

class CaptionLog extends View {
  /** @type {import('./call.js').Call} */
  call = /** @type {any} */ (null);
  /** @type {import('./call.js').CaptionRow[]} */
  waiting = [];

  build() {
    this.className = 'unseen';
    this.setAttribute('role', 'log');
    this.setAttribute('aria-live', 'polite');
    this.setAttribute('aria-relevant', 'additions');
    this.listen(this.call, 'captions', (e) => {
      const { row, live } = e.detail;
      const set = prefs().captions;
      if (live && row.ts_content && sure(row, set) && set.announce) this.waiting.push(row);
    });
    // Which words are whose is not known here: what was erased goes with all that was told.
    for (const type of ['forgot', 'anew']) {
      this.listen(this.call, type, () => {
        this.waiting = [];
        fill(this);
      });
    }
    const timer = setInterval(() => this.tell(), SIP_MS);
    this.onleave(() => clearInterval(timer));
  }

  tell() {
    /** @type {HTMLElement | null} */
    let line = null;
    let speaker = /** @type {number | null | undefined} */ (undefined);
    for (const row of this.waiting.splice(0)) {
      const { user_id: user, ts_content: text } = row;
      if (!line || user !== speaker) {
        line = h('p', null, `${this.call.name(user)}:`);
        this.append(/** @type {HTMLElement} */ (line));
      }
      line?.append(' ', h('span', { lang: this.call.language(row, user) }, text));
      if ((row.confidence ?? 1) < UNSURE) line?.append(` ${t('transcript.unsure')}`);
      speaker = user;
    }
    while (this.childElementCount > KEPT) this.firstElementChild?.remove();
  }
}

/** The log. */
export const captionLog = define('sc-caption-log', CaptionLog);
