// Why: everybody's video goes straight to everybody else, up to four people; the server only passes
// on the signals. Larger rooms still have captions, chat and transcript for all.

import { Peer } from './peer.js';
import { api, randomKey } from '../lib/api.js';
import { patiently } from '../lib/retry.js';

/** Most people with video in one call; beyond it a mesh asks too much of a home connection. */
export const PEOPLE_MAX = 4;

/** How often the connections are looked after. */
const LOOK_MS = 1000;
/** How long until somebody who did not answer is greeted again; it doubles until it is given up. */
const GREET_AGAIN_MS = 2000;
const GIVE_UP_MS = 60_000;
/** How long a connection may be without one before it is made anew, at first and at most; it doubles. */
const PATIENCE_MS = 8000;
const PATIENCE_MAX_MS = 60_000;

/**
 * @typedef {object} Greeting what was done to reach somebody
 * @property {string} session names this side of the connection, so that the other notices a new one
 * @property {number} at when they were greeted last
 * @property {number} wait until they are greeted again
 * @property {number} patience with a connection that does not come about
 */

/** Says `tiles` when somebody's video came, went or changed, `elsewhere` when another tab or device took it over or gave it back. */
export class Mesh extends EventTarget {
  /** @param {import('../call/call.js').Call} call @param {import('./devices.js').Media} media */
  constructor(call, media) {
    super();
    this.call = call;
    this.media = media;
    /** @type {Map<number, {peer: Peer, session: string}>} */
    this.peers = new Map();
    /** Names this tab among those of the same person: one of them has the video. */
    this.tab = randomKey();
    this.elsewhere = false;
    this.ending = new AbortController();
    const on = (/** @type {EventTarget} */ target, /** @type {string} */ type, /** @type {(e: any) => void} */ action) =>
      target.addEventListener(type, action, { signal: this.ending.signal });
    /** Where to look for ways to others; without an answer, what this network offers has to do.
     * @type {RTCIceServer[]} */
    this.iceServers = [];
    const known = patiently(() => api('GET', '/ice-servers'), this.ending).then((found) => (this.iceServers = found.ice_servers), () => {});
    on(call, 'signal', (e) => known.then(() => !this.ending.signal.aborted && this.take(e.detail)));
    on(call, 'people', () => this.meet());
    on(call, 'state', (e) => e.detail === 'online' && !this.elsewhere && this.claim());
    on(media, 'change', () => this.share());
    /** @type {Map<number, Greeting>} */
    this.greetings = new Map();
    const timer = setInterval(() => this.look(), LOOK_MS);
    this.ending.signal.addEventListener('abort', () => clearInterval(timer));
  }

  /** Who should be seen here. @returns {number[]} */
  others() {
    const inside = [...this.call.people.values()].filter((one) => one.admission !== 'waiting');
    return inside.map((one) => one.rp_user_id).filter((user) => user !== this.call.me);
  }

  get full() {
    return this.peers.size >= PEOPLE_MAX - 1;
  }

  /** Greets who came, lets go of who left. */
  meet() {
    for (const user of [...this.peers.keys()]) if (!this.call.people.has(user)) this.drop(user);
    for (const user of [...this.greetings.keys()]) if (!this.call.people.has(user)) this.greetings.delete(user);
    if (this.elsewhere) return;
    for (const user of this.others()) if (!this.full && !this.greetings.get(user)?.at) this.greet(user);
  }

  /** The video comes here, from wherever else the same person has this call open. */
  claim() {
    this.call.signal(this.call.me, { tab: this.tab });
    if (this.elsewhere) this.move(false);
    this.greetAll();
  }

  /** @param {boolean} elsewhere where the video is from now on */
  move(elsewhere) {
    this.elsewhere = elsewhere;
    if (elsewhere) for (const user of [...this.peers.keys()]) this.drop(user);
    this.dispatchEvent(new Event('elsewhere'));
  }

  greetAll() {
    for (const greeting of this.greetings.values()) Object.assign(greeting, { at: 0, wait: GREET_AGAIN_MS });
    this.meet();
  }

  /** Signals may get lost, and connections fail: greets again who did not answer, and connects anew. */
  look() {
    if (this.elsewhere) return;
    const now = Date.now();
    for (const user of this.others()) {
      const greeting = this.greeting(user);
      const peer = this.peers.get(user)?.peer;
      // One of the two loses patience first, so that they don't both begin anew at once.
      if (peer && peer.idle(now) > greeting.patience * (peer.polite ? 1.5 : 1)) this.anew(user);
      else if (!peer && !this.full && greeting.wait < GIVE_UP_MS && now - greeting.at > greeting.wait) {
        greeting.wait *= 2;
        this.greet(user);
      }
    }
  }

  /** @param {number} user @returns {Greeting} */
  greeting(user) {
    const known = this.greetings.get(user);
    if (known) return known;
    const greeting = { session: randomKey(), at: 0, wait: GREET_AGAIN_MS, patience: PATIENCE_MS };
    this.greetings.set(user, greeting);
    return greeting;
  }

  /** Gives a connection up for a new one. @param {number} user */
  anew(user) {
    const greeting = this.greeting(user);
    greeting.patience = Math.min(greeting.patience * 2, PATIENCE_MAX_MS);
    this.drop(user);
    this.greet(user);
  }

  /** @param {number} user @param {boolean} [answer] whether this answers a greeting */
  greet(user, answer = false) {
    const greeting = this.greeting(user);
    if (this.call.signal(user, { hello: greeting.session, answer })) greeting.at = Date.now();
  }

  /** @param {{from: number, payload: any}} signal */
  take({ from, payload }) {
    if (!payload) return undefined;
    if (from === this.call.me) return payload.tab && payload.tab !== this.tab && !this.elsewhere ? this.move(true) : undefined;
    if (this.elsewhere) return undefined;
    if (payload.bye) return this.drop(from);
    if (payload.hello) {
      if (this.full && !this.peers.has(from)) return undefined;
      if (!payload.answer) this.greet(from, true);
      return this.connect(from, payload.hello);
    }
    const known = this.peers.get(from);
    if (!known || (payload.of && payload.of !== known.session)) return undefined;
    return known.peer.take(payload).catch(() => this.peers.get(from) === known && this.anew(from));
  }

  /** @param {number} user @param {string} session */
  connect(user, session) {
    if (this.peers.get(user)?.session === session) return;
    this.peers.get(user)?.peer.close();
    const of = this.greeting(user).session;
    const peer = new Peer({
      polite: this.call.me > user,
      iceServers: this.iceServers,
      send: (payload) => this.call.signal(user, { ...payload, of }),
      own: this.media.stream,
    });
    const changed = () => this.dispatchEvent(new Event('tiles'));
    peer.addEventListener('stream', changed);
    peer.addEventListener('state', () => {
      // The old connection of somebody who reloaded may end after their new one has begun.
      if (peer.state === 'closed' && this.peers.get(user)?.peer === peer) this.drop(user);
      if (peer.state === 'connected') Object.assign(this.greeting(user), { wait: GREET_AGAIN_MS, patience: PATIENCE_MS });
      changed();
    });
    this.peers.set(user, { peer, session });
    changed();
  }

  share() {
    for (const { peer } of this.peers.values()) peer.share();
  }

  /** Lets go of a connection; the next one has another name, else the other side would keep this one. @param {number} user */
  drop(user) {
    const known = this.peers.get(user);
    if (!known) return;
    this.peers.delete(user);
    known.peer.close();
    this.greeting(user).session = randomKey();
    this.dispatchEvent(new Event('tiles'));
  }

  /** Says good-bye to everybody. */
  leave() {
    for (const user of this.peers.keys()) this.call.signal(user, { bye: true });
    for (const user of [...this.peers.keys()]) this.drop(user);
    this.ending.abort();
  }
}
