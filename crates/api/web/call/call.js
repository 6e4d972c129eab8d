// Why: what is known about the call one is in: the room, its people, chat and captions, kept up to
// date by the live connection. The panels show it and ask it; it knows nothing of them.

import { Problem, api, list, path } from '../lib/api.js';
import { NOBODY, speakerColour } from '../lib/colour.js';
import { nameOf, written } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { oneAtATime, patiently } from '../lib/retry.js';
import { session } from '../lib/session.js';
import { forget } from './forget.js';
import { LiveSocket } from './socket.js';
import * as wire from './wire.js';

/** Most rows of chat and of transcript kept in the page; older ones can be loaded again. */
const ROWS_MAX = 5000;
const PAGE = 100;
/** A partial caption that nobody went on with is gone after this. */
const PARTIAL_MS = 8000;
/** Streams of one's own whose end is remembered. */
const STREAMS_MAX = 32;
const TYPING_MS = 4000;
const TYPING_EVERY_MS = 2000;

/** @typedef {{id: number, msg_content: string | null, created_at: string, user_id: number | null, edited_at?: string | null, deleted_at?: string | null, deleted_by?: number | null}} ChatRow */
/** @typedef {{id: number, ts_content: string | null, created_at: string, user_id: number | null, segment_id: string, revision: number, start_ms: number, end_ms: number, confidence: number | null, kind: string, model: string | null, language?: string | null}} CaptionRow */
/** @typedef {{id: number, rp_user_id: number, username?: string, display_name?: string | null, consent: string, admission: string, joined_at: string, language?: string | null}} Participant */

/**
 * Says `room`, `people`, `chat` and `captions` (detail: the row and whether it is new and live),
 * `dropped` (detail: which and the id), `forgot` (texts are gone), `anew` (all rows are), `partials`, `typing`, `signal`,
 * `degraded`, `state`, `missing` (what there is can't be loaded just now), `loaded`, `end`.
 */
export class Call extends EventTarget {
  /** @param {any} room as the server gives it */
  constructor(room) {
    super();
    this.room = room;
    /** @type {string} */
    this.code = room.room_code;
    /** @type {Map<number, Participant>} by user */
    this.people = new Map();
    /** The place of each user among the colours: in the order they came, and theirs when they have left. @type {Map<number, number>} */
    this.places = new Map();
    /** @type {Map<number, ChatRow>} */
    this.chat = new Map();
    /** @type {Map<number, CaptionRow>} */
    this.captions = new Map();
    /** @type {Map<string, {user: number, segment: wire.Segment, at: number}>} */
    this.partials = new Map();
    /** @type {Map<number, number>} user and when */
    this.typing = new Map();
    /** Up to where the captions of one's own streams are written. @type {Map<string, number>} */
    this.done = new Map();
    /** @type {Set<number>} */
    this.signing = new Set();
    /** Names as last heard; they stay known when their people leave. @type {Map<number, string>} */
    this.names = new Map();
    /** Cursors of the pages before the oldest rows here; null at the beginning. @type {{chat: string | null, captions: string | null}} */
    this.earlier = { chat: null, captions: null };
    this.typed = 0;
    /** The highest id in each list. */
    this.newest = { chat: 0, captions: 0 };
    /** Lists in which rows stand that were loaded after newer ones. @type {Set<string>} */
    this.mixed = new Set();
    /** Whether everything was loaded once. */
    this.complete = false;
    /** Why it can't be loaded just now. @type {Problem | null} */
    this.missing = null;
    this.ending = new AbortController();
    const { signal } = this.ending;
    const anew = (/** @type {() => Promise<void>} */ load) => oneAtATime(() => patiently(load, { signal }).catch((fault) => this.refused(fault)));
    this.renewPeople = anew(() => this.loadPeople());
    this.renewRoom = anew(() => this.loadRoom());
    this.socket = new LiveSocket(this.code);
    this.socket.addEventListener('message', (e) => this.take(/** @type {CustomEvent} */ (e).detail));
    this.socket.addEventListener('fresh', () => this.load(signal).catch((fault) => this.refused(fault)));
    this.socket.addEventListener('reset', () => this.beginAnew(signal).catch((fault) => this.refused(fault)));
    for (const type of ['state', 'end']) {
      this.socket.addEventListener(type, (e) => this.say(type, /** @type {CustomEvent} */ (e).detail));
    }
    this.sweeper = setInterval(() => this.sweep(), 1000);
  }

  get me() {
    return session.me?.id ?? -1;
  }

  get mine() {
    return this.room.owner_id === this.me || session.me?.is_admin === true;
  }

  /** @param {string} part @param {any} [options] @param {any} [method] */
  ask(part, options = {}, method = 'POST') {
    return api(method, path`/rooms/${this.code}` + part, options);
  }

  /** @param {string} type @param {any} [detail] */
  say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  start() {
    return this.socket.connect();
  }

  /** Closes the connection and forgets; leaving the room is a question to the server. */
  stop() {
    clearInterval(this.sweeper);
    this.ending.abort();
    this.socket.leave();
  }

  /** Loads what is there, and tries until it is. Rows that came live meanwhile are newer and stay. @param {AbortSignal} signal ends the trying */
  async load(signal) {
    const parts = [() => this.loadRoom(), () => this.loadPeople(), () => this.loadRows('chat'), () => this.loadRows('captions')];
    const told = (/** @type {Problem} */ problem) => this.miss(problem);
    await Promise.all(parts.map((part) => patiently(part, { signal, told })));
    this.complete = true;
    this.miss(null);
    this.say('loaded');
  }

  /** @param {Problem | null} problem */
  miss(problem) {
    this.missing = problem;
    this.say('missing');
  }

  /** A no that stands: one is not let in any more, which the connection finds out and says. @param {unknown} fault */
  refused(fault) {
    if (this.ending.signal.aborted) return;
    if (!(fault instanceof Problem)) throw fault;
    this.miss(fault);
    this.socket.refused(fault);
  }

  /** Loads the last page of a list, or the one before what is shown. @param {'chat' | 'captions'} which @param {string} [before] a cursor */
  async loadRows(which, before = '') {
    const route = path`/rooms/${this.code}/${which === 'chat' ? 'messages' : 'transcripts'}`;
    const page = await list(route, { limit: PAGE, before });
    this.earlier[which] = page.previous;
    for (const row of page.data) this.put(which, row, false);
    this.say('earlier');
  }

  /** The rows in the order in which they were written. @template {'chat' | 'captions'} W @param {W} which @returns {Call[W]} */
  ordered(which) {
    /** @type {Map<number, any>} */
    const rows = this[which];
    if (this.mixed.delete(which)) /** @type {any} */ (this)[which] = new Map([...rows].sort(([a], [b]) => a - b));
    return this[which];
  }

  async loadRoom() {
    this.room = await this.ask('', {}, 'GET');
    this.say('room');
  }

  async loadPeople() {
    /** @type {Participant[]} */
    const all = [];
    let after = null;
    do {
      const page = await list(path`/rooms/${this.code}/participants`, { limit: PAGE, after });
      all.push(...page.data);
      after = page.next;
    } while (after);
    this.people = new Map(all.map((one) => [one.rp_user_id, one]));
    for (const one of all) {
      if (!this.places.has(one.rp_user_id)) this.places.set(one.rp_user_id, this.places.size);
      this.names.set(one.rp_user_id, nameOf(one));
    }
    this.dropPartials((user) => this.people.get(user)?.consent === 'none' || !this.people.has(user));
    this.say('people');
  }

  /** @param {wire.Message} message */
  take(message) {
    switch (message.kind) {
      case 'feed':
        return this.feed(message);
      case 'partial': {
        const { user, segment } = message;
        // An empty one takes back what was being recognized.
        if (!segment.text) this.partials.delete(segment.segment_id);
        else this.partials.set(segment.segment_id, { user, segment, at: Date.now() });
        return this.say('partials');
      }
      case 'signing':
        if (message.active) this.signing.add(message.user);
        else this.signing.delete(message.user);
        return this.say('signing', message);
      case 'typing':
        if (message.user !== this.me) this.typing.set(message.user, Date.now());
        return this.say('typing');
      case 'done':
        this.done.set(message.stream, message.seq);
        if (this.done.size > STREAMS_MAX) this.done.delete([...this.done.keys()][0]);
        return this.say('done', message);
      default:
        return this.say(message.kind, message);
    }
  }

  /** @param {wire.FeedEntry} entry */
  feed({ type, data }) {
    if (type.startsWith('message')) return this.put('chat', data, type === 'message');
    if (type.startsWith('transcript')) return this.put('captions', data, type === 'transcript');
    if (type.startsWith('texts')) return forget(this, { type, data });
    if (type === 'room_closed') return this.socket.end('closed');
    if (type.startsWith('participant') || type.startsWith('consent')) {
      this.say('moved', { type, data });
      return this.renewPeople();
    }
    return this.renewRoom();
  }

  /** @param {'chat' | 'captions'} which @param {any} row @param {boolean} live */
  put(which, row, live) {
    /** @type {Map<number, any>} */
    const rows = this[which];
    const known = rows.get(row.id);
    // The row is gone from the tables: the entry has its id alone.
    if (!known && !row.created_at) return;
    const older = known && ((known.revision ?? 0) > (row.revision ?? 0) || (known.deleted_at && !row.deleted_at));
    if (older) return;
    if (row.id < this.newest[which]) this.mixed.add(which);
    else this.newest[which] = row.id;
    rows.set(row.id, { ...known, ...row });
    if (live && rows.size > ROWS_MAX) this.dropOldest(which);
    if (which === 'captions' && this.partials.delete(row.segment_id)) this.say('partials');
    if (which === 'chat' && row.user_id !== null && this.typing.delete(row.user_id)) this.say('typing');
    this.say(which, { row: rows.get(row.id), live: live && !known });
  }

  /** @param {'chat' | 'captions'} which */
  dropOldest(which) {
    const rows = this.ordered(which);
    const [id] = rows.keys();
    rows.delete(id);
    this.say('dropped', { which, id });
  }

  /** Drops every row, since nothing tells any more what became of those that are not loaded again. @param {AbortSignal} signal */
  beginAnew(signal) {
    this.chat.clear();
    this.captions.clear();
    this.newest = { chat: 0, captions: 0 };
    this.mixed.clear();
    this.partials.clear();
    for (const type of ['partials', 'anew']) this.say(type);
    return this.load(signal);
  }

  sweep() {
    const now = Date.now();
    this.dropPartials((_, at) => now - at > PARTIAL_MS);
    let typed = false;
    for (const [user, at] of this.typing) if (now - at > TYPING_MS) typed = this.typing.delete(user);
    if (typed) this.say('typing');
  }

  /** @param {(user: number, at: number) => boolean} gone */
  dropPartials(gone) {
    let dropped = false;
    for (const [id, { user, at }] of this.partials) if (gone(user, at)) dropped = this.partials.delete(id);
    if (dropped) this.say('partials');
  }

  /** Tells the others that one is typing, now and then. */
  sayTyping() {
    if (Date.now() - this.typed < TYPING_EVERY_MS) return;
    this.typed = Date.now();
    this.socket.send(wire.typing());
  }

  /** @param {number} to @param {any} payload */
  signal(to, payload) {
    return this.socket.send(wire.signal(to, payload));
  }

  /** What somebody is called; `row` may say it of people who left. @param {number | null} user @param {any} [row] */
  name(user, row) {
    if (user === null) return t('people.deleted');
    if (user === this.me && session.me) return session.me.username;
    return this.names.get(user) ?? row?.username ?? t('people.left');
  }

  /** The written language of what somebody signed or typed, if it is known. @param {{kind?: string}} caption @param {number | null} user */
  language(caption, user) {
    return written(caption, this.people.get(user ?? -1)?.language, this.room.language);
  }

  /** @param {number | null} user */
  colour(user) {
    const place = user === null ? undefined : this.places.get(user);
    return place === undefined ? NOBODY : speakerColour(place);
  }
}
