// Why: final captions for screen readers and braille displays: a log that only ever grows, told in
// sips rather than word by word. Unfinished captions never reach it.

import { View, define, h } from '../lib/dom.js';
import { prefs } from '../lib/prefs.js';
import { sure } from './captions.js';

const SIP_MS = 2000;
const KEPT = 200;

class CaptionLog extends View {
  /** @type {import('./call.js').Call} */
  call = /** @type {any} */ (null);
  /** @type {{user: number | null, text: string}[]} */
  waiting = [];

  build() {
    this.className = 'unseen';
    this.setAttribute('role', 'log');
    this.setAttribute('aria-live', 'polite');
    this.setAttribute('aria-relevant', 'additions');
    this.listen(this.call, 'captions', (e) => {
      const { row, live } = e.detail;
      const set = prefs().captions;
      if (live && row.ts_content && sure(row, set) && set.announce) this.waiting.push({ user: row.user_id, text: row.ts_content });
    });
    const timer = setInterval(() => this.tell(), SIP_MS);
    this.onleave(() => clearInterval(timer));
  }

  tell() {
    /** @type {HTMLElement | null} */
    let line = null;
    let speaker = /** @type {number | null | undefined} */ (undefined);
    for (const { user, text } of this.waiting.splice(0)) {
      if (!line || user !== speaker) {
        line = h('p', null, `${this.call.name(user)}: ${text}`);
        this.append(/** @type {HTMLElement} */ (line));
      } else line.append(` ${text}`);
      speaker = user;
    }
    while (this.childElementCount > KEPT) this.firstElementChild?.remove();
  }
}

/** The log. */
export const captionLog = define('sc-caption-log', CaptionLog);
