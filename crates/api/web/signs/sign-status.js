// Why: says at a glance whether one's signing is being read, and if not, why not and what to do.

import { View, define, fill, h } from '../lib/dom.js';
import { announce } from '../lib/announce.js';
import { t } from '../lib/i18n.js';

class SignStatus extends View {
  /** @type {import('./signing.js').Signing} */
  signing = /** @type {any} */ (null);
  told = '';

  build() {
    this.className = 'sign-status';
    this.listen(this.signing, 'change', () => this.draw());
    this.draw();
  }

  draw() {
    const { state, way, sender, canvas, degraded } = this.signing;
    this.hidden = state === 'off';
    this.dataset.state = state;
    canvas.className = 'sent';
    canvas.setAttribute('aria-hidden', 'true');
    const text = t(`sign.state.${state}`);
    const dropped = sender?.dropped ? h('span', { class: 'soft' }, t('sign.dropped', { n: sender.dropped })) : null;
    const reason = state === 'degraded' ? h('span', { class: 'soft', lang: 'en' }, degraded) : null;
    fill(this, way === 'images' && state !== 'off' ? canvas : null, h('p', null, h('strong', null, text), reason, dropped));
    const news = text !== this.told && (this.told || state !== 'off');
    if (news && state !== 'unsure' && state !== 'running') announce(text);
    this.told = text;
  }
}

/** The status. */
export const signStatus = define('sc-sign-status', SignStatus);
