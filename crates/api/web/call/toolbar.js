// Why: the row of buttons under a call: what is on, what is open, and the way out. Each says its
// state to a screen reader, by `aria-pressed` or `aria-expanded`, and in its own words to the eye.

import { View, define, fill, h, soon } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { changes, prefs } from '../lib/prefs.js';

/**
 * @typedef {object} Actions
 * @property {() => void} microphone
 * @property {() => void} camera
 * @property {() => void} sign
 * @property {() => void} captions
 * @property {() => void} captionSettings
 * @property {(name: string) => void} panel
 * @property {() => void} help
 * @property {() => void} leave
 */

class Toolbar extends View {
  /** @type {import('../media/devices.js').Media} */
  media = /** @type {any} */ (null);
  /** @type {import('../signs/signing.js').Signing} */
  signing = /** @type {any} */ (null);
  /** @type {Actions} */
  actions = /** @type {any} */ (null);
  /** The open panel, or an empty string. */
  open = '';
  /** Unread per panel. @type {Record<string, number>} */
  unread = {};
  redraw = () => {};
  /** What is drawn now: buttons that stay the same stay where they are, also under a finger. */
  drawn = '';

  build() {
    this.className = 'toolbar';
    this.setAttribute('role', 'toolbar');
    this.setAttribute('aria-label', t('bar.label'));
    this.redraw = soon(() => this.draw());
    for (const from of [this.media, this.signing, changes]) this.listen(from, 'change', this.redraw);
    this.addEventListener('keydown', (event) => this.move(event));
    this.draw();
  }

  draw() {
    const { actions, media } = this;
    const shown = prefs().captions.shown;
    const state = JSON.stringify([Boolean(media.audio), Boolean(media.video), media.fault, this.signing.on, shown, this.open, this.unread]);
    if (state === this.drawn) return;
    this.drawn = state;
    const focus = this.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.name : undefined;
    fill(this,
      h('div', { class: 'group' },
        this.toggle('microphone', media.audio ? 'mic' : 'mic-off', Boolean(media.audio), actions.microphone, media.fault.audio),
        this.toggle('camera', media.video ? 'camera' : 'camera-off', Boolean(media.video), actions.camera, media.fault.video),
        this.toggle('sign', 'hand', this.signing.on, actions.sign)),
      h('div', { class: 'group' },
        this.toggle('captions', 'captions', shown, actions.captions),
        this.button('captionSettings', 'settings', actions.captionSettings)),
      h('div', { class: 'group' },
        ['transcript', 'chat', 'people'].map((name) => this.panel(name))),
      h('div', { class: 'group' },
        this.button('help', 'help', actions.help),
        h('button', { class: 'leave', data: { name: 'leave' }, onclick: actions.leave }, icon('leave'), h('span', { class: 'text' }, t('bar.leave')))));
    const all = this.buttons();
    const current = all.find((one) => one.dataset.name === focus) ?? all[0];
    for (const one of all) one.tabIndex = one === current ? 0 : -1;
    if (focus) current.focus();
  }

  /** @returns {HTMLButtonElement[]} */
  buttons() {
    return [...this.querySelectorAll('button')];
  }

  /** @param {string} name @param {import('../lib/icons.js').IconName} picture @param {() => void} onclick */
  button(name, picture, onclick) {
    return h('button', { data: { name }, onclick }, icon(picture), h('span', { class: 'text' }, t(`bar.${name}`)));
  }

  /** @param {string} name @param {import('../lib/icons.js').IconName} picture @param {boolean} on @param {() => void} onclick @param {string | null} [fault] */
  toggle(name, picture, on, onclick, fault) {
    return h('button', { class: on ? 'on' : 'off', data: { name }, onclick, 'aria-pressed': String(on), title: fault ? t(`media.${fault}`) : null },
      icon(picture), h('span', { class: 'text' }, t(`bar.${name}`)), fault ? h('span', { class: 'mark', 'aria-hidden': 'true' }, '!') : null);
  }

  /** @param {string} name */
  panel(name) {
    const count = this.unread[name] ?? 0;
    return h('button', { data: { name }, onclick: () => this.actions.panel(name), 'aria-expanded': String(this.open === name), 'aria-controls': 'panel' },
      icon(/** @type {any} */ (name)), h('span', { class: 'text' }, t(`bar.${name}`)),
      count ? h('span', { class: 'count' }, String(count), h('span', { class: 'unseen' }, t('bar.unread'))) : null);
  }

  /** Arrow keys move along the row, as in any toolbar. @param {KeyboardEvent} event */
  move(event) {
    const all = this.buttons();
    const at = all.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    const next = all[(to + all.length) % all.length];
    next.tabIndex = 0;
    next.focus();
  }
}

/** The toolbar. */
export const toolbar = define('sc-toolbar', Toolbar);
