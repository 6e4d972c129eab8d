// Why: the way into a room: by link or code, as a member or a guest, through the lobby if there is
// one, and straight back in after a reload.

import { announce } from '../lib/announce.js';
import { Problem, api, path } from '../lib/api.js';
import { View, define, fill, h } from '../lib/dom.js';
import { field, form, problemText } from '../lib/form.js';
import { readCode, showCode } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { prefs } from '../lib/prefs.js';
import { patiently } from '../lib/retry.js';
import { becomeGuest, forget, session } from '../lib/session.js';
import { Call } from '../call/call.js';
import { Media } from '../media/devices.js';
import { archive, inCall } from './in-call.js';
import { sayOffline } from './offline.js';
import { leaves, prejoin } from './prejoin.js';

const KNOCK_EVERY_MS = 2500;
const NAME_MAX = 50;
const NOT_FOUND = 404;

/** Remembers for this tab that one is in the call, so that a reload goes back in. @param {string} code */
const flag = (code) => `signcall.in.${code}`;

class Room extends View {
  /** As the address says it. */
  code = '';
  media = new Media();
  timer = 0;

  build() {
    this.className = 'room-view';
    this.code = readCode(decodeURIComponent(this.code)) ?? '';
    this.onleave(() => {
      clearTimeout(this.timer);
      this.media.stop();
    });
    if (session.guestRoom && session.guestRoom !== this.code) forget();
    if (!this.code) this.message(t('room.wrong'), t('home.code.wrong'));
    else this.begin();
  }

  async begin() {
    const { signal } = this;
    fill(this, h('section', { class: 'page' }, h('h1', null, showCode(this.code)), h('p', { role: 'status' }, t('loading'))));
    const told = (/** @type {Problem} */ problem) => sayOffline(this, problem);
    try {
      const room = session.me ? await patiently(() => api('GET', path`/rooms/${this.code}`), { signal, told }) : null;
      if (room?.state === 'closed') return fill(this, archive({ call: new Call(room), reason: 'closed' }));
      if (!room || !sessionStorage.getItem(flag(this.code))) return this.ask();
      await Promise.all([prefs().withoutVideo ? null : this.media.set('video', true), prefs().withoutSound ? null : this.media.set('audio', true)]);
      return await patiently(() => this.join(), { signal, told });
    } catch (problem) {
      if (signal.aborted) return undefined;
      if (!(problem instanceof Problem)) throw problem;
      // Whoever is not in the room yet is told the same as where there is none: the door tells more.
      return this.ask(problem.status === NOT_FOUND ? null : problem);
    }
  }

  /** The page before the call. @param {Problem | null} [problem] why one is not in it already */
  ask(problem = null) {
    const guest = !session.me;
    const name = guest ? field('display_name', t('room.name'), { required: true, maxlength: NAME_MAX, autocomplete: 'nickname', hint: t('room.name.hint') }) : null;
    const login = h('p', { class: 'links' }, h('a', { href: `/login?next=/rooms/${this.code}` }, t('room.login')));
    const door = form({
      fields: guest ? name : h('p', null, t('room.as', { name: session.me?.username ?? '' })),
      wrong: problem && problemText(problem),
      button: t('room.join'),
      send: async (data) => this.join(data.display_name).catch((problem) => {
        if (guest && problem instanceof Problem && problem.status === NOT_FOUND) throw new Problem(404, { code: 'no_guests' });
        throw problem;
      }),
      after: guest ? login : null,
    });
    fill(this, h('section', { class: 'page' },
      h('h1', null, t('room.title'), ' ', h('span', { class: 'code' }, showCode(this.code))),
      h('div', { class: 'prejoin' }, prejoin({ media: this.media }), h('div', { class: 'stack' }, h('div', { class: 'card' }, door), leaves()))));
    document.title = `${showCode(this.code)} · Signcall`;
  }

  /** Asks to come in; done when one is in, or waits. @param {string} [name] a guest's */
  async join(name) {
    const route = path`/rooms/${this.code}/participants`;
    const answer = await api('POST', route, name === undefined ? { key: null } : { json: { display_name: name.trim() }, key: null, anonymous: true });
    if (name !== undefined && answer?.token) becomeGuest(this.code, answer, name.trim());
    const participant = answer?.participant ?? answer;
    if (participant?.admission === 'waiting') this.wait();
    else await this.enter();
  }

  /** In the lobby: knocks again until the door opens or stays shut. */
  async wait() {
    const { signal } = this;
    this.message(t('room.waiting'), t('room.waiting.text'));
    try {
      for (let inside = false; !inside;) {
        await new Promise((done) => { this.timer = window.setTimeout(done, KNOCK_EVERY_MS); });
        const answer = await patiently(() => api('POST', path`/rooms/${this.code}/participants`, { key: null }), { signal });
        inside = (answer?.participant ?? answer)?.admission !== 'waiting';
      }
      await patiently(() => this.enter(), { signal });
    } catch (problem) {
      if (signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      this.message(t('room.refused'), problemText(problem));
    }
  }

  async enter() {
    const room = await api('GET', path`/rooms/${this.code}`);
    if (this.signal.aborted) return;
    sessionStorage.setItem(flag(this.code), '1');
    const call = new Call(room);
    const left = (/** @type {string} */ reason) => {
      sessionStorage.removeItem(flag(this.code));
      if (reason === 'waiting') {
        call.stop();
        return this.wait();
      }
      this.media.stop();
      // A guest's account goes with the call.
      const over = reason === 'closed' && session.guestRoom !== null;
      if (reason === 'logged_out' || reason === 'blocked' || over) forget();
      fill(this, archive({ call, reason: over ? 'over' : reason, back: () => this.begin() }));
      this.querySelector('h1')?.focus();
    };
    fill(this, inCall({ call, media: this.media, left }));
    this.querySelector('h1')?.focus();
  }

  /** @param {string} title @param {string} text */
  message(title, text) {
    fill(this, h('section', { class: 'page narrow' }, h('h1', { tabindex: '-1' }, title), h('p', null, text), h('p', null, h('a', { class: 'button', href: '/' }, t('lost.home')))));
    this.querySelector('h1')?.focus();
    announce(`${title}. ${text}`);
  }
}

/** A room, by the code in the address. */
export const room = define('sc-room', Room);
