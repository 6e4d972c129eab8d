// Why: records a sign from the camera, hands free: a countdown, the sign, and on to the next. Hands and
// body are found in the browser; no picture is kept or sent.

import { View, define, fill, h } from '../lib/dom.js';
import { announce } from '../lib/announce.js';
import { choice, tick } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { Media } from '../media/devices.js';
import { eachFrame } from '../signs/capture.js';
import { landmarker } from '../signs/landmarker.js';
import { figure } from './figure.js';
import { CLIPS, MAX } from './lesson.js';

const COUNT_FROM = 3;
const COUNT_MS = 800;
/** How long a recording may take, seconds. */
const LENGTHS = ['1.5', '2', '3', '4'];
const LENGTH = '2';
/** Fewer frames show no movement; fewer with a hand show no sign. As the server has it. */
const FRAMES_MIN = 6;
const HANDS_MIN = 3;
/** Between two recordings, so that the hands come down. */
const REST_MS = 700;

/** @typedef {'off' | 'loading' | 'ready' | 'count' | 'record' | 'failed'} State */

class Recorder extends View {
  /** @type {import('./lesson.js').Lesson} */
  lesson = /** @type {any} */ (null);
  /** @type {State} */
  state = 'off';
  media = new Media();
  /** @type {import('../signs/wire.js').Points[]} */
  frames = [];
  /** Which clip is to be replaced. @type {string | null} */
  instead = null;
  seconds = LENGTH;
  timer = 0;
  release = () => {};

  build() {
    this.className = 'recorder';
    this.video = h('video', { autoplay: true, playsinline: true, 'aria-label': t('prejoin.preview') });
    this.video.muted = true;
    this.drawn = figure({ width: 640, height: 480, fps: 15, frames: [] }, { fit: false });
    this.count = h('p', { class: 'count', 'aria-hidden': 'true', hidden: true });
    this.bar = h('div', { class: 'bar', hidden: true });
    this.chip = h('p', { class: 'chip', role: 'status' });
    this.off = h('p', { class: 'off' });
    this.live = h('div', { class: 'preview' }, this.off, this.video, this.drawn.element, h('div', { class: 'guide', 'aria-hidden': 'true' }), this.bar, this.count, this.chip);
    this.camera = h('button', { type: 'button', onclick: () => this.flip() });
    this.go = h('button', { type: 'button', class: 'primary', onclick: () => (this.busy ? this.halt() : this.begin(null)) });
    this.on = tick('on', t('teach.goon', { n: CLIPS }), { checked: true });
    const lengths = /** @type {[string, string][]} */ (LENGTHS.map((one) => [one, t('teach.seconds', { n: Number(one) })]));
    const length = choice('length', t('teach.length'), lengths, { chosen: this.seconds, onchange: (/** @type {any} */ e) => { this.seconds = e.target.value; } });
    this.fault = h('p', { class: 'fault', role: 'alert' });
    this.append(this.live, h('div', { class: 'row' }, this.go, this.camera), this.fault, this.on, length);
    this.listen(this, 'keydown', (event) => event.key === 'Escape' && this.busy && this.halt());
    this.onleave(() => this.close());
    this.draw();
  }

  get busy() {
    return this.state === 'count' || this.state === 'record';
  }

  draw() {
    const { state, media } = this;
    const running = Boolean(media.video);
    this.dataset.state = state;
    this.video.hidden = !running;
    this.drawn?.element.toggleAttribute('hidden', !running);
    fill(this.off, running ? null : t(media.fault.video ? `media.${media.fault.video}` : 'teach.camera.off'));
    fill(this.camera, icon(running ? 'camera' : 'camera-off'), t(running ? 'prejoin.camera.off' : 'prejoin.camera.on'));
    fill(this.go, icon(this.busy ? 'close' : 'wave'), t(this.busy ? 'teach.halt' : 'teach.record'));
    this.go.disabled = state === 'loading' || this.lesson.clips.length >= MAX.clips;
    this.camera.disabled = state === 'loading';
    this.count.hidden = state !== 'count';
    this.bar.hidden = state !== 'record';
    this.say(running ? { loading: t('sign.state.loading'), record: t('teach.now') }[/** @type {string} */ (state)] ?? '' : '');
  }

  /** @param {string} text */
  say(text) {
    this.chip.hidden = !text;
    if (this.chip.textContent !== text) fill(this.chip, text);
  }

  /** Camera on with the landmarker, or off. */
  async flip() {
    if (this.media.video) return this.close();
    fill(this.fault);
    this.become('loading');
    await this.media.set('video', true);
    if (!this.media.video) return this.become('off');
    this.video.srcObject = this.media.stream;
    this.draw();
    try {
      const finder = await landmarker();
      if (!this.isConnected || !this.media.video) return finder.close();
      const stop = eachFrame(this.media.stream, async (video, timeUs) => this.see(await finder.find(video, timeUs)));
      this.release = () => { stop(); finder.close(); };
    } catch {
      fill(this.fault, t('sign.state.failed'));
      return this.close('failed');
    }
    return this.become('ready');
  }

  /** @param {State} [state] */
  close(state = 'off') {
    clearTimeout(this.timer);
    this.release();
    this.release = () => {};
    this.media.stop();
    this.video.srcObject = null;
    this.become(state);
  }

  /** @param {State} state */
  become(state) {
    this.state = state;
    this.draw();
  }

  /** What was found in a frame. @param {import('../signs/wire.js').Points} points */
  see(points) {
    this.drawn?.resize(points.width, points.height);
    this.drawn?.draw(points);
    const hands = (points.left ? 1 : 0) + (points.right ? 1 : 0);
    if (this.state === 'record') this.frames.push(structuredClone(points));
    else if (this.state === 'ready') this.say(hands ? '' : t('sign.state.nohands'));
  }

  /** Counts down, and records. @param {string | null} instead of which clip */
  async begin(instead) {
    if (this.busy) return;
    if (!this.media.video) await this.flip();
    if (this.state !== 'ready') return;
    this.instead = instead;
    fill(this.fault);
    this.down(COUNT_FROM);
  }

  /** @param {number} left */
  down(left) {
    if (left === 0) return this.record();
    this.become('count');
    fill(this.count, left);
    announce(String(left));
    this.timer = window.setTimeout(() => this.down(left - 1), COUNT_MS);
  }

  record() {
    this.frames = [];
    this.bar.dataset.seconds = this.seconds;
    this.become('record');
    this.timer = window.setTimeout(() => this.done(), Number(this.seconds) * 1000);
  }

  /** Nothing comes of what is being recorded. */
  halt() {
    clearTimeout(this.timer);
    this.become('ready');
  }

  done() {
    const { frames, lesson, instead } = this;
    this.become('ready');
    const hands = frames.filter((frame) => frame.left || frame.right).length;
    if (frames.length < FRAMES_MIN) return fill(this.fault, t('teach.slow', { n: frames.length }));
    if (hands < HANDS_MIN) return fill(this.fault, t('teach.nohands'));
    lesson.recorded += instead ? 0 : 1;
    lesson.record(frames, t('teach.clip', { number: lesson.recorded }), instead);
    this.draw();
    announce(t('teach.count', { number: lesson.clips.length, of: CLIPS }));
    if (!instead && lesson.missing && this.on.querySelector('input').checked) this.timer = window.setTimeout(() => this.state === 'ready' && this.begin(null), REST_MS);
    return undefined;
  }
}

/** The recorder. */
export const recorder = define('sc-recorder', Recorder);
