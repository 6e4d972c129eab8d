// Why: everybody's video goes straight to everybody else, up to four people; the server only passes
// on the signals. Larger rooms still have captions, chat and transcript for all.

import { Peer } from './peer.js';
import { api, randomKey } from '../lib/api.js';

/** Most people with video in one call; beyond it a mesh asks too much of a home connection. */
export const PEOPLE_MAX = 4;

/** Says `tiles` when somebody's video came, went or changed. */
export class Mesh extends EventTarget {
  /** @param {import('../call/call.js').Call} call @param {import('./devices.js').Media} media */
  constructor(call, media) {
    super();
    this.call = call;
    this.media = media;
    /** Names this page load, so that the other side notices a reload. */
    this.session = randomKey();
    /** @type {Map<number, {peer: Peer, session: string}>} */
    this.peers = new Map();
    this.ending = new AbortController();
    const on = (/** @type {EventTarget} */ target, /** @type {string} */ type, /** @type {(e: any) => void} */ action) =>
      target.addEventListener(type, action, { signal: this.ending.signal });
    /** Where to look for ways to others; without an answer, what this network offers has to do.
     * @type {RTCIceServer[]} */
    this.iceServers = [];
    const known = api('GET', '/ice-servers').then((found) => (this.iceServers = found.ice_servers), () => {});
    on(call, 'signal', (e) => known.then(() => !this.ending.signal.aborted && this.take(e.detail)));
    on(call, 'people', () => this.meet());
    on(call, 'state', (e) => e.detail === 'online' && this.greetAll());
    on(media, 'change', () => this.share());
    this.greeted = new Set();
  }

  /** Greets who came, lets go of who left. */
  meet() {
    for (const user of this.peers.keys()) if (!this.call.people.has(user)) this.drop(user);
    for (const [user, one] of this.call.people) {
      if (user !== this.call.me && one.admission !== 'waiting' && !this.greeted.has(user)) this.greet(user);
    }
    for (const user of this.greeted) if (!this.call.people.has(user)) this.greeted.delete(user);
  }

  greetAll() {
    this.greeted.clear();
    this.meet();
  }

  /** @param {number} user @param {boolean} [answer] whether this answers a greeting */
  greet(user, answer = false) {
    if (this.call.signal(user, { hello: this.session, answer })) this.greeted.add(user);
  }

  /** @param {{from: number, payload: any}} signal */
  take({ from, payload }) {
    if (from === this.call.me || !payload) return;
    if (payload.bye) return this.drop(from);
    if (payload.hello) {
      if (!payload.answer) this.greet(from, true);
      return this.connect(from, payload.hello);
    }
    const known = this.peers.get(from);
    known?.peer.take(payload).catch(() => this.drop(from));
  }

  /** @param {number} user @param {string} session */
  connect(user, session) {
    if (this.peers.get(user)?.session === session) return;
    this.drop(user);
    if (this.peers.size >= PEOPLE_MAX - 1) return;
    const peer = new Peer({
      polite: this.call.me > user,
      iceServers: this.iceServers,
      send: (payload) => this.call.signal(user, payload),
      own: this.media.stream,
    });
    const changed = () => this.dispatchEvent(new Event('tiles'));
    peer.addEventListener('stream', changed);
    peer.addEventListener('state', () => {
      // The old connection of somebody who reloaded may end after their new one has begun.
      if (peer.state === 'closed' && this.peers.get(user)?.peer === peer) this.drop(user);
      changed();
    });
    this.peers.set(user, { peer, session });
    changed();
  }

  share() {
    for (const { peer } of this.peers.values()) peer.share();
  }

  /** @param {number} user */
  drop(user) {
    const known = this.peers.get(user);
    if (!known) return;
    this.peers.delete(user);
    known.peer.close();
    this.dispatchEvent(new Event('tiles'));
  }

  /** Says good-bye to everybody. */
  leave() {
    for (const user of this.peers.keys()) this.call.signal(user, { bye: true });
    for (const user of [...this.peers.keys()]) this.drop(user);
    this.ending.abort();
  }
}
