// Why: before a call: how one will be seen, whether one will be heard, and what leaves the device.

import { View, define, fill, h } from '../lib/dom.js';
import { choice } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { prefs, setPrefs } from '../lib/prefs.js';
import { devices } from '../media/devices.js';
import { tooDark } from '../media/light.js';

const LIGHT_EVERY_MS = 1500;

class Prejoin extends View {
  /** @type {import('../media/devices.js').Media} */
  media = /** @type {any} */ (null);

  build() {
    this.className = 'devices';
    this.video = h('video', { autoplay: true, playsinline: true, 'aria-label': t('prejoin.preview') });
    this.video.muted = true;
    this.off = h('p', { class: 'off' });
    this.chip = h('p', { class: 'chip', hidden: true, role: 'status' });
    this.sound = h('p', { class: 'hint', role: 'status' });
    this.menus = h('div', { class: 'columns under' });
    this.camera = h('button', { type: 'button', onclick: () => this.flip('video') });
    this.microphone = h('button', { type: 'button', onclick: () => this.flip('audio') });
    this.append(
      h('div', { class: 'preview' }, this.off, this.video, h('div', { class: 'guide', 'aria-hidden': 'true' }), this.chip),
      h('div', { class: 'row under' }, this.camera, this.microphone, this.sound), this.menus);
    this.listen(this.media, 'change', () => this.draw());
    if (navigator.mediaDevices) this.listen(navigator.mediaDevices, 'devicechange', () => this.draw());
    const timer = setInterval(() => this.look(), LIGHT_EVERY_MS);
    this.onleave(() => clearInterval(timer));
    this.draw();
    this.begin();
  }

  async begin() {
    if (!prefs().withoutVideo) await this.media.set('video', true);
    if (!prefs().withoutSound) await this.media.set('audio', true);
  }

  /** @param {'video' | 'audio'} kind */
  async flip(kind) {
    const on = !this.media[kind];
    await this.media.set(kind, on);
    setPrefs(kind === 'video' ? { withoutVideo: !on } : { withoutSound: !on });
  }

  async draw() {
    const { media } = this;
    const on = Boolean(media.video);
    this.video.hidden = !on;
    if (this.video.srcObject !== media.stream) this.video.srcObject = media.stream;
    fill(this.off, on ? null : t(media.fault.video ? `media.${media.fault.video}` : 'prejoin.off'));
    fill(this.camera, icon(on ? 'camera' : 'camera-off'), t(on ? 'prejoin.camera.off' : 'prejoin.camera.on'));
    fill(this.microphone, icon(media.audio ? 'mic' : 'mic-off'), t(media.audio ? 'prejoin.mic.off' : 'prejoin.mic.on'));
    fill(this.sound, t(media.fault.audio ? `media.${media.fault.audio}` : media.audio ? 'prejoin.heard' : 'prejoin.quiet'));
    const { cameras, microphones } = await devices();
    const change = (/** @type {'camera' | 'microphone'} */ name, /** @type {'video' | 'audio'} */ kind) => (/** @type {any} */ e) => {
      setPrefs({ [name]: e.target.value });
      if (media[kind]) media.set(kind, true);
    };
    fill(this.menus,
      cameras.length > 1 ? choice('camera', t('prejoin.camera'), cameras, { chosen: prefs().camera, onchange: change('camera', 'video') }) : null,
      media.audio && microphones.length > 1 ? choice('microphone', t('prejoin.mic'), microphones, { chosen: prefs().microphone, onchange: change('microphone', 'audio') }) : null);
  }

  look() {
    const dark = this.media.video && tooDark(this.video);
    const text = this.media.video ? t(dark ? 'prejoin.dark' : 'prejoin.guide') : '';
    this.chip.hidden = !text;
    if (this.chip.textContent !== text) fill(this.chip, text);
  }
}

/** Preview and choice of devices. */
export const prejoin = define('sc-prejoin', Prejoin);

/** What leaves the device, in plain words. */
export const leaves = () =>
  h('div', { class: 'leaves' }, h('h2', null, t('prejoin.leaves')),
    h('ul', null, ['video', 'captions', 'text'].map((one) => h('li', null, t(`prejoin.leaves.${one}`)))));
