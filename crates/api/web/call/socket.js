// Why: one live connection to a room that comes back by itself where it left off, and does not come
// back where the server said that there is nothing to come back to.

import { Problem, api, asGuest, path } from '../lib/api.js';
import { ping, read } from './wire.js';

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 15_000;
/** Most bytes waiting to be sent before what is not needed is left away. */
const BUFFER_MAX = 256 * 1024;

/** How often the server is asked whether it is there, and how long its silence is borne. */
const PING_MS = 15_000;
const SILENCE_MS = 40_000;

/** Close codes after which there is no coming back, and what they mean. */
const ENDS = /** @type {Record<number, string>} */ ({ 4401: 'logged_out', 4403: 'removed', 4404: 'closed' });
/** Reasons that say more than their code. */
const REASONS = /** @type {Record<string, string>} */ ({ blocked: 'blocked', not_admitted: 'waiting' });
/** The same of a refused request. */
const REFUSALS = /** @type {Record<number, string>} */ ({ 401: 'logged_out', 403: 'removed', 404: 'removed' });

/**
 * Says `state` (detail `connecting` | `online` | `waiting` | `ended`), `message` (detail a `Message`),
 * `fresh` (nothing to resume from: load everything), `reset` (what is known may be out of date: drop it,
 * load everything) and `end` (detail the reason: `logged_out`, `removed`, `waiting` (sent back to the
 * lobby), `blocked`, `closed`).
 */
export class LiveSocket extends EventTarget {
  /** @param {string} code the room's */
  constructor(code) {
    super();
    this.code = code;
    /** The last entry of the room's feed seen here. @type {number | null} */
    this.seq = null;
    this.state = 'connecting';
    this.wait = FIRST_WAIT_MS;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.timer = 0;
    this.pulse = 0;
    this.heard = 0;
    this.hurry = () => this.state === 'waiting' && this.connect();
    addEventListener('online', this.hurry);
  }

  /** Connects, or connects again. */
  async connect() {
    clearTimeout(this.timer);
    this.become('connecting');
    try {
      const url = await this.address();
      if (this.state === 'ended') return;
      this.open(url);
    } catch (problem) {
      if (!this.refused(problem)) this.later();
    }
  }

  async address() {
    const url = new URL(`/api/v1${path`/rooms/${this.code}/live`}`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    if (this.seq !== null) url.searchParams.set('after', String(this.seq));
    if (asGuest()) {
      const { ticket } = await api('POST', '/live-tickets', { key: null });
      url.searchParams.set('ticket', ticket);
    }
    return url;
  }

  /** @param {URL} url */
  open(url) {
    const socket = new WebSocket(url);
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.wait = FIRST_WAIT_MS;
      this.heard = Date.now();
      this.pulse = window.setInterval(() => this.beat(socket), PING_MS);
      this.become('online');
      if (this.seq === null) this.dispatchEvent(new Event('fresh'));
    };
    socket.onmessage = (event) => {
      this.heard = Date.now();
      if (typeof event.data === 'string') this.take(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket || this.state === 'ended') return;
      clearInterval(this.pulse);
      const end = REASONS[event.reason] ?? ENDS[event.code];
      if (end) this.end(end);
      else if (opened) this.later();
      else this.ask();
    };
  }

  /** A line that is dead without having said so is given up. @param {WebSocket} socket */
  beat(socket) {
    if (Date.now() - this.heard > SILENCE_MS) socket.close();
    else this.send(ping());
  }

  /** A browser does not tell why a socket was refused; a plain request does. */
  async ask() {
    try {
      await api('GET', path`/rooms/${this.code}/presence`);
      this.later();
    } catch (problem) {
      if (!this.refused(problem)) this.later();
    }
  }

  /** Ends where the server said that one may not be here; true then. @param {unknown} problem */
  refused(problem) {
    const end = problem instanceof Problem && (REASONS[problem.code] ?? REFUSALS[problem.status]);
    if (end) this.end(end);
    return Boolean(end);
  }

  /** @param {string} text */
  take(text) {
    const message = read(text);
    if (!message) return;
    if (message.kind === 'feed') {
      if (this.seq !== null && message.seq <= this.seq) return;
      this.seq = message.seq;
    }
    if (message.kind === 'ready') this.seq = message.seq;
    if (message.kind === 'reset') {
      this.seq = message.seq;
      this.dispatchEvent(new Event('reset'));
      return;
    }
    this.dispatchEvent(new CustomEvent('message', { detail: message }));
  }

  later() {
    this.socket = null;
    if (this.state === 'ended') return;
    this.become('waiting');
    this.timer = setTimeout(() => this.connect(), this.wait * (0.5 + Math.random()));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  /** Sends text; left away when the connection is gone or can't keep up. @param {string} text */
  send(text) {
    const ready = this.socket?.readyState === WebSocket.OPEN && this.socket.bufferedAmount < BUFFER_MAX;
    if (ready) this.socket?.send(text);
    return ready;
  }

  /** @param {string} reason */
  end(reason) {
    if (this.state === 'ended') return;
    this.leave();
    this.become('ended');
    this.dispatchEvent(new CustomEvent('end', { detail: reason }));
  }

  /** Closes for good, without a word. */
  leave() {
    this.state = 'ended';
    clearTimeout(this.timer);
    clearInterval(this.pulse);
    removeEventListener('online', this.hurry);
    this.socket?.close(1000);
    this.socket = null;
  }

  /** @param {string} state */
  become(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }
}
