// Why: the way into a room: by link or code, as a member or a guest, through the lobby if there is
// one, and straight back in after a reload.

import { Problem, api, path } from '../lib/api.js';
import { View, define, fill, h } from '../lib/dom.js';
import { field, form, problemText } from '../lib/form.js';
import { readCode, showCode } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { prefs } from '../lib/prefs.js';
import { becomeGuest, forget, session } from '../lib/session.js';
import { Call } from '../call/call.js';
import { Media } from '../media/devices.js';
import { archive, inCall } from './in-call.js';
import { leaves, prejoin } from './prejoin.js';

const KNOCK_EVERY_MS = 2500;
const NAME_MAX = 50;

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
    fill(this, h('section', { class: 'page' }, h('h1', null, showCode(this.code)), h('p', { 'aria-busy': 'true' }, t('loading'))));
    const room = session.me ? await api('GET', path`/rooms/${this.code}`).catch(() => null) : null;
    if (room?.state === 'closed') return fill(this, archive({ call: new Call(room), reason: 'closed' }));
    if (room && sessionStorage.getItem(flag(this.code))) {
      await Promise.all([prefs().withoutVideo ? null : this.media.set('video', true), prefs().withoutSound ? null : this.media.set('audio', true)]);
      if (await this.join().catch(() => false)) return undefined;
    }
    return this.ask();
  }

  /** The page before the call. */
  ask() {
    const guest = !session.me;
    const name = guest ? field('display_name', t('room.name'), { required: true, maxlength: NAME_MAX, autocomplete: 'nickname', hint: t('room.name.hint') }) : null;
    const login = h('p', { class: 'links' }, h('a', { href: `/login?next=/rooms/${this.code}` }, t('room.login')));
    const door = form({
      fields: guest ? name : h('p', null, t('room.as', { name: session.me?.username ?? '' })),
      button: t('room.join'),
      send: async (data) => this.join(data.display_name).catch((problem) => {
        if (guest && problem instanceof Problem && problem.status === 404) throw new Problem(404, { code: 'no_guests' });
        throw problem;
      }),
      after: guest ? login : null,
    });
    fill(this, h('section', { class: 'page' },
      h('h1', null, t('room.title'), ' ', h('span', { class: 'code' }, showCode(this.code))),
      h('div', { class: 'prejoin' }, prejoin({ media: this.media }), h('div', { class: 'stack' }, h('div', { class: 'card' }, door), leaves()))));
    document.title = `${showCode(this.code)} · Signcall`;
  }

  /** Asks to come in; true when one is in, or waits. @param {string} [name] a guest's */
  async join(name) {
    const route = path`/rooms/${this.code}/participants`;
    const answer = await api('POST', route, name === undefined ? { key: null } : { json: { display_name: name.trim() }, key: null, anonymous: true });
    if (name !== undefined && answer?.token) becomeGuest(this.code, answer, name.trim());
    const participant = answer?.participant ?? answer;
    if (participant?.admission === 'waiting') this.wait();
    else await this.enter();
    return true;
  }

  /** In the lobby: knocks again until the door opens or stays shut. */
  wait() {
    this.message(t('room.waiting'), t('room.waiting.text'));
    this.timer = window.setTimeout(async () => {
      try {
        const answer = await api('POST', path`/rooms/${this.code}/participants`, { key: null });
        if ((answer?.participant ?? answer)?.admission === 'waiting') this.wait();
        else await this.enter();
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if ([0, 429, 503].includes(problem.status)) this.wait();
        else this.message(t('room.refused'), problemText(problem));
      }
    }, KNOCK_EVERY_MS);
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
      if (reason === 'logged_out' || reason === 'blocked') forget();
      fill(this, archive({ call, reason, back: () => this.begin() }));
      return this.querySelector('h1')?.focus();
    };
    fill(this, inCall({ call, media: this.media, left }));
  }

  /** @param {string} title @param {string} text */
  message(title, text) {
    fill(this, h('section', { class: 'page narrow' }, h('h1', null, title), h('p', { role: 'status' }, text), h('p', null, h('a', { class: 'button', href: '/' }, t('lost.home')))));
  }
}

/** A room, by the code in the address. */
export const room = define('sc-room', Room);
