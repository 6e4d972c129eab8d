// Why: sends what was captured as fast as the server takes it and no faster: one batch on its way at
// a time, the oldest frames left away when the server or the line is slow, and said so.

import { Problem, api, path, randomKey } from '../lib/api.js';
import { TYPES, images, landmarks } from './wire.js';

/** Most frames in one batch: at 15 a second about half a second. */
const BATCH = 8;
/** Frames gathered before a batch goes out. */
const GATHER = 3;
/** Most frames waiting here, two seconds; beyond it the oldest go. */
const WAITING_MAX = 30;
const PAUSE_MS = 1000;

/** Says `change` when `state` or `dropped` changed. */
export class Sender extends EventTarget {
  /** @param {string} code the room's @param {'images' | 'landmarks'} kind */
  constructor(code, kind) {
    super();
    this.code = code;
    this.kind = kind;
    this.stream = `page-${randomKey()}`;
    /** @type {any[]} */
    this.waiting = [];
    this.seq = 0;
    this.sent = 0;
    this.dropped = 0;
    /** @type {'running' | 'slow' | 'offline' | 'refused' | 'ended'} */
    this.state = 'running';
    this.refusal = '';
    this.busy = false;
  }

  /** Takes a frame. @param {import('./wire.js').Picture | import('./wire.js').Points} frame */
  push(frame) {
    if (this.state === 'refused' || this.state === 'ended') return;
    this.waiting.push(frame);
    while (this.waiting.length > WAITING_MAX) {
      this.waiting.shift();
      this.dropped += 1;
      this.dispatchEvent(new Event('change'));
    }
    if (!this.busy && this.waiting.length >= GATHER) this.run();
  }

  async run() {
    this.busy = true;
    while (this.waiting.length >= GATHER && this.running()) await this.sendOne(this.waiting.splice(0, BATCH));
    this.busy = false;
  }

  running() {
    return this.state !== 'refused' && this.state !== 'ended';
  }

  /** Sends a batch until it is taken; the same numbers again mean the same frames. @param {any[]} frames */
  async sendOne(frames) {
    while (this.running()) {
      const body = this.kind === 'images' ? images(frames, this.seq) : landmarks(frames, this.seq);
      try {
        await api('POST', path`/rooms/${this.code}/frames`, {
          body: /** @type {BodyInit} */ (body), type: TYPES[this.kind], query: { stream: this.stream }, key: null });
        this.seq += frames.length;
        this.sent += frames.length;
        return this.become('running');
      } catch (problem) {
        if (!(problem instanceof Problem) || !(await this.again(problem))) return undefined;
      }
    }
    return undefined;
  }

  /** Whether to send the same batch again, after what the server said. @param {Problem} problem */
  async again(problem) {
    if (problem.code === 'out_of_order' && Number.isInteger(problem.body?.expected_seq)) {
      this.seq = problem.body.expected_seq;
      return true;
    }
    const temporary = [0, 429, 503].includes(problem.status);
    if (!temporary) {
      this.refusal = problem.code;
      this.become('refused');
      return false;
    }
    this.become(problem.status === 0 ? 'offline' : 'slow');
    await new Promise((done) => setTimeout(done, problem.retryAfter ? problem.retryAfter * 1000 : PAUSE_MS));
    return true;
  }

  /** Sends what is left, and lets the server finish what is open. */
  async end() {
    const rest = this.waiting.splice(0);
    if (this.running() && rest.length && !this.busy) await this.sendOne(rest);
    const sent = this.sent > 0 && this.running();
    this.become('ended');
    if (sent) await api('POST', path`/rooms/${this.code}/frames/end`, { query: { stream: this.stream } }).catch(() => null);
  }

  /** @param {Sender['state']} state */
  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event('change'));
  }
}
