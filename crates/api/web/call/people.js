// Why: who is here, who waits outside, whose signing is written down; and for the owner the door.

import { View, define, fill, h, soon } from '../lib/dom.js';
import { ask } from '../lib/dialog.js';
import { Problem, path } from '../lib/api.js';
import { choice, problemText, tick } from '../lib/form.js';
import { initial, showCode } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { announce } from '../lib/announce.js';
import { session } from '../lib/session.js';

/** Days that texts may be kept; an empty one stands for all time. */
const DAYS = ['1', '7', '30', '90', '365', ''];

class People extends View {
  /** @type {import('./call.js').Call} */
  call = /** @type {any} */ (null);

  /** Whether the link has to be copied by hand. */
  uncopied = false;

  build() {
    this.className = 'panel-body people';
    this.fault = h('p', { class: 'fault', role: 'alert' });
    this.content = h('div', { class: 'stack' });
    this.append(this.fault, this.content);
    for (const type of ['people', 'room', 'signing']) this.listen(this.call, type, soon(() => this.draw()));
    this.draw();
  }

  draw() {
    const focus = /** @type {HTMLElement} */ (document.activeElement)?.dataset?.focus;
    const all = [...this.call.people.values()];
    const waiting = all.filter((one) => one.admission === 'waiting');
    const inside = all.filter((one) => one.admission !== 'waiting');
    fill(this.content,
      waiting.length ? [h('h3', null, t('people.waiting', { n: waiting.length })), h('ul', { class: 'persons' }, waiting.map((one) => this.guestRow(one)))] : null,
      h('h3', null, t('people.inside', { n: inside.length })),
      h('ul', { class: 'persons' }, inside.map((one) => this.row(one))),
      this.invite(),
      this.call.mine ? this.door() : null);
    if (focus) /** @type {HTMLElement | null} */ (this.content.querySelector(`[data-focus="${focus}"]`))?.focus();
  }

  /** @param {import('./call.js').Participant} one */
  badge(one) {
    const badge = h('span', { class: 'badge', 'aria-hidden': 'true' }, initial(this.call.name(one.rp_user_id)));
    badge.style.backgroundColor = this.call.colour(one.rp_user_id);
    return badge;
  }

  /** @param {import('./call.js').Participant} one */
  row(one) {
    const user = one.rp_user_id;
    const name = this.call.name(user);
    const tags = [
      user === this.call.me ? t('people.you') : null,
      user === this.call.room.owner_id ? t('people.owner') : null,
      one.display_name ? t('people.guest') : null,
      one.consent !== 'none' ? t(`people.consent.${one.consent}`) : null,
      this.call.signing.has(user) ? t('people.signing') : null,
    ];
    const removable = this.call.mine && user !== this.call.me && user !== this.call.room.owner_id;
    return h('li', null, this.badge(one), h('span', { class: 'name' }, h('bdi', null, name), h('span', { class: 'tags' }, tags.map((tag) => tag && h('span', { class: 'tag' }, tag)))),
      removable ? h('span', { class: 'row' }, session.me?.id === this.call.room.owner_id ? h('button', { class: 'small', data: { focus: `owner-${user}` }, onclick: () => this.handOver(user, name) }, t('people.handover'), h('span', { class: 'unseen' }, ` ${name}`)) : null,
        h('button', { class: 'small', data: { focus: `back-${user}` }, onclick: () => this.attempt(() => this.call.ask(path`/participants/${user}/lobby`)) }, t('people.back'), h('span', { class: 'unseen' }, ` ${name}`)),
        h('button', { class: 'small danger-quiet', data: { focus: `remove-${user}` }, onclick: () => this.expel(user, name) }, t('people.remove'), h('span', { class: 'unseen' }, ` ${name}`))) : null);
  }

  /** @param {import('./call.js').Participant} one */
  guestRow(one) {
    const user = one.rp_user_id;
    const name = this.call.name(user);
    const admit = (/** @type {boolean} */ yes) => this.attempt(() => this.call.ask(path`/participants/${user}/admission`, { json: { admit: yes } }, 'PUT'));
    return h('li', null, this.badge(one), h('span', { class: 'name' }, h('bdi', null, name)), this.call.mine ? h('span', { class: 'row' },
      h('button', { class: 'small primary', data: { focus: `admit-${user}` }, onclick: () => admit(true) }, t('people.admit'), h('span', { class: 'unseen' }, ` ${name}`)),
      h('button', { class: 'small', data: { focus: `refuse-${user}` }, onclick: () => admit(false) }, t('people.refuse'), h('span', { class: 'unseen' }, ` ${name}`))) : null);
  }

  invite() {
    const link = `${location.origin}/rooms/${this.call.code}`;
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(link);
        announce(t('copied'));
        fill(button, icon('check'), t('copied'));
      } catch {
        // Pages without a secure address, and people who said no, have no clipboard.
        this.uncopied = true;
        this.draw();
      }
    };
    const button = h('button', { class: 'small', data: { focus: 'copy' }, onclick: copy }, icon('copy'), t('people.copy'));
    return h('section', { class: 'invite' }, h('h3', null, t('people.invite')), h('p', { class: 'code big' }, showCode(this.call.code)), this.uncopied ? h('p', { class: 'kept' }, link) : button);
  }

  door() {
    const { room } = this.call;
    const locked = room.state === 'locked' || room.locked === true;
    const set = (/** @type {Record<string, any>} */ json) => this.attempt(async () => {
      await this.call.ask('', { json }, 'PATCH');
      await this.call.loadRoom();
    });
    const on = (/** @type {Event} */ e) => /** @type {HTMLInputElement} */ (e.target).checked;
    return h('section', { class: 'stack' }, h('h3', null, t('people.door')),
      tick('locked', t('people.lock'), { checked: locked, hint: t('people.lock.hint'), data: { focus: 'lock' }, onchange: (/** @type {Event} */ e) => set({ locked: on(e) }) }),
      tick('lobby', t('people.lobby'), { checked: room.lobby, hint: t('people.lobby.hint'), data: { focus: 'lobby' }, onchange: (/** @type {Event} */ e) => set({ lobby: on(e) }) }),
      tick('guests', t('people.guests'), { checked: room.guests, hint: t('people.guests.hint'), data: { focus: 'guests' }, onchange: (/** @type {Event} */ e) => set({ guests: on(e) }) }),
      room.guests ? tick('guest_history', t('people.history'), { checked: room.guest_history, hint: t('people.history.hint'), data: { focus: 'history' }, onchange: (/** @type {Event} */ e) => set({ guest_history: on(e) }) }) : null,
      this.keeping(set),
      h('button', { class: 'danger-quiet', onclick: () => this.end() }, t('people.end')));
  }

  /** How long transcripts are kept. @param {(json: Record<string, any>) => void} set */
  keeping(set) {
    const now = this.call.room.retention_days === null ? '' : String(this.call.room.retention_days);
    const days = DAYS.includes(now) ? DAYS : [now, ...DAYS];
    return choice('retention', t('people.keep'), days.map((one) => [one, one ? t('people.keep.days', { n: Number(one) }) : t('people.keep.always')]), {
      chosen: now, data: { focus: 'keep' },
      onchange: (/** @type {any} */ e) => set({ retention_days: e.target.value ? Number(e.target.value) : null }) });
  }

  /** @param {() => Promise<unknown>} action */
  async attempt(action) {
    fill(this.fault);
    try {
      await action();
      await this.call.loadPeople();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(this.fault, problemText(problem));
      this.draw();
    }
  }

  /** @param {number} user @param {string} name */
  handOver(user, name) {
    return ask({
      title: t('people.handover.title', { name }), text: t('people.handover.text'), yes: t('people.handover'),
      action: () => this.call.ask('', { json: { owner_id: user } }, 'PATCH'),
    });
  }

  /** @param {number} user @param {string} name */
  expel(user, name) {
    return ask({
      title: t('people.remove.title', { name }), text: t('people.remove.text'), yes: t('people.remove'), danger: true,
      action: () => this.call.ask(path`/participants/${user}`, {}, 'DELETE'),
    });
  }

  end() {
    return ask({ title: t('people.end'), text: t('people.end.text'), yes: t('people.end.yes'), danger: true, action: () => this.call.ask('/close') });
  }
}

/** The panel. */
export const people = define('sc-people', People);
