// Why: captions of one's own signing, from consent to the last frame: what is captured, how it is
// sent, and how it stands. Nothing leaves before the server knows of the consent.

import { tooDark } from '../media/light.js';
import { captureSquare, eachFrame } from './capture.js';
import { landmarker } from './landmarker.js';
import { Sender } from './sender.js';

/** The ways to give signs. Points go to the model of the room, pictures to the one that sees them. */
export const WAYS = /** @type {const} */ ({
  images: { model: 'asl-digits', language: 'ase' },
  landmarks: { language: 'ase' },
  files: { language: 'ase' },
});

const LIGHT_EVERY_MS = 2000;
/** How long the last finals are waited for before consent is withdrawn. */
const LAST_WORDS_MS = 2500;
const UNSURE = 0.5;
/** How long the server's word that it can't read frames stands, unless it is said again. */
const DEGRADED_MS = 5000;

/** @typedef {keyof typeof WAYS} Way */
/** @typedef {'off' | 'loading' | 'ready' | 'running' | 'nohands' | 'onehand' | 'dark' | 'unsure' | 'paused' | 'offline' | 'slow' | 'degraded' | 'refused' | 'failed'} State */

/** Says `change`. */
export class Signing extends EventTarget {
  /** @param {import('../call/call.js').Call} call @param {import('../media/devices.js').Media} media */
  constructor(call, media) {
    super();
    this.call = call;
    this.media = media;
    this.on = false;
    this.loading = false;
    this.failure = '';
    /** @type {Way} */
    this.way = 'images';
    /** @type {'left' | 'middle' | 'right'} */
    this.side = 'right';
    this.hands = 0;
    this.dark = false;
    /** Why the server can't read the frames just now, in its words. */
    this.degraded = '';
    this.degradedTimer = 0;
    /** Shows what is sent. @type {HTMLCanvasElement} */
    this.canvas = document.createElement('canvas');
    /** @type {Sender | null} */
    this.sender = null;
    /** @type {() => void} */
    this.stopCapture = () => {};
    /** Another one whenever capture begins or ends. */
    this.turn = Symbol('none');
    this.timer = 0;
    media.addEventListener('change', () => this.on && this.capture());
    call.addEventListener('loaded', () => this.resume());
    for (const type of ['partials', 'state']) call.addEventListener(type, () => this.changed());
    call.addEventListener('degraded', (e) => this.degrade(/** @type {CustomEvent} */ (e).detail.reason));
  }

  /** How it stands, for a message. @returns {State} */
  get state() {
    if (!this.on) return this.loading ? 'loading' : 'off';
    if (this.loading) return 'loading';
    if (this.failure) return 'failed';
    if (this.way === 'files') return 'ready';
    if (this.sender?.state === 'refused') return 'refused';
    if (this.call.socket.state !== 'online' || this.sender?.state === 'offline') return 'offline';
    if (!this.media.video) return 'paused';
    if (this.sender?.state === 'slow') return 'slow';
    if (this.degraded) return 'degraded';
    if (this.dark) return 'dark';
    if (this.way === 'landmarks' && this.hands < 2) return this.hands ? 'onehand' : 'nohands';
    const mine = [...this.call.partials.values()].find((one) => one.user === this.call.me);
    return mine && (mine.segment.confidence ?? 1) < UNSURE ? 'unsure' : 'running';
  }

  /** Consents, and begins. @param {Way} way @param {boolean} keep whether points may be kept */
  async start(way, keep) {
    await this.halt();
    this.way = way;
    await this.call.ask('/captions/me', { json: { consent: true, keep, ...WAYS[way] } }, 'PUT');
    this.on = true;
    sessionStorage.setItem(this.flag, way);
    await this.capture();
  }

  /** Remembers for this tab which way was on, so that a reload goes on with it. */
  get flag() {
    return `signcall.sign.${this.call.code}`;
  }

  /** Goes on after a reload, if the consent still stands. */
  resume() {
    const way = /** @type {Way | null} */ (sessionStorage.getItem(this.flag));
    const consent = this.call.people.get(this.call.me)?.consent ?? 'none';
    if (this.on || !way || consent === 'none') return;
    this.way = way;
    this.on = true;
    this.capture();
  }

  /** Captures from the camera as it is now, or not while it is off. */
  async capture() {
    const stream = this.media.video ? new MediaStream([this.media.video]) : null;
    this.stopCapture();
    this.stopCapture = () => {};
    this.turn = Symbol('capture');
    this.loading = false;
    clearInterval(this.timer);
    if (!stream || this.way === 'files') return this.changed();
    if (!this.sender || this.sender.state === 'ended') {
      this.sender = new Sender(this.call.code, this.way);
      this.sender.addEventListener('change', () => this.changed());
    }
    const { sender, turn } = this;
    if (this.way === 'images') this.stopCapture = captureSquare(stream, this.canvas, () => this.side, (picture) => sender.push(picture));
    else await this.find(stream, sender);
    if (turn !== this.turn) return undefined;
    this.watchLight(stream);
    return this.changed();
  }

  /** @param {MediaStream} stream @param {Sender} sender */
  async find(stream, sender) {
    const { turn } = this;
    this.loading = true;
    this.changed();
    try {
      const finder = await landmarker();
      // It loads for seconds: meanwhile it may have been switched off, or begun anew.
      if (turn !== this.turn) return finder.close();
      const stop = eachFrame(stream, async (video, timeUs) => {
        const points = await finder.find(video, timeUs).catch((/** @type {unknown} */ fault) => this.fail(String(fault)));
        if (!points || turn !== this.turn) return;
        this.fail('');
        const hands = (points.left ? 1 : 0) + (points.right ? 1 : 0);
        if (hands !== this.hands) {
          this.hands = hands;
          this.changed();
        }
        sender.push(points);
      });
      this.stopCapture = () => {
        stop();
        finder.close();
      };
    } catch (fault) {
      if (turn === this.turn) this.failure = String(fault);
    }
    if (turn === this.turn) this.loading = false;
    return undefined;
  }

  /** Says what keeps hands from being found, or nothing any more. @param {string} why */
  fail(why) {
    if (this.failure === why) return;
    this.failure = why;
    this.changed();
  }

  /** @param {MediaStream} stream */
  watchLight(stream) {
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = stream;
    video.play().catch(() => null);
    this.timer = window.setInterval(() => {
      const dark = tooDark(video) === true;
      if (dark !== this.dark) {
        this.dark = dark;
        this.changed();
      }
    }, LIGHT_EVERY_MS);
  }

  /** @param {string} reason */
  degrade(reason) {
    clearTimeout(this.degradedTimer);
    this.degradedTimer = window.setTimeout(() => {
      this.degraded = '';
      this.changed();
    }, DEGRADED_MS);
    if (reason === this.degraded) return;
    this.degraded = reason;
    this.changed();
  }

  /** Frames stop leaving at once; consent ends when the last words are written. */
  async stop() {
    if (!this.on) return;
    sessionStorage.removeItem(this.flag);
    await this.halt();
    await this.call.ask('/captions/me', { json: { consent: false } }, 'PUT');
  }

  async halt() {
    this.stopCapture();
    this.stopCapture = () => {};
    this.turn = Symbol('halt');
    this.loading = false;
    clearInterval(this.timer);
    this.on = false;
    this.failure = '';
    this.changed();
    const { sender } = this;
    this.sender = null;
    if (!sender || sender.sent === 0) return;
    const written = new Promise((done) => {
      const look = () => (this.call.done.get(sender.stream) ?? 0) >= sender.seq && done(null);
      this.call.addEventListener('done', look, { signal: AbortSignal.timeout(LAST_WORDS_MS) });
      setTimeout(done, LAST_WORDS_MS);
    });
    await sender.end();
    await written;
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }
}
