// Why: where a visit starts: into a room by its code, a new room, and the rooms one knows.

import { Problem, api, list } from '../lib/api.js';
import { View, define, fill, h, once } from '../lib/dom.js';
import { field, form, problemText } from '../lib/form.js';
import { moment, readCode, showCode } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { patiently } from '../lib/retry.js';
import { go } from '../lib/router.js';
import { session } from '../lib/session.js';

class Home extends View {
  build() {
    const member = session.me && !session.me.is_guest;
    this.className = 'page home';
    this.append(
      h('section', { class: 'hero' },
        h('div', null,
          h('h1', null, t('home.title')),
          h('p', { class: 'lead' }, t('home.lead')),
          h('ul', { class: 'promises' }, ['own', 'consent', 'text'].map((one) => h('li', null, t(`home.promise.${one}`))))),
        h('img', { class: 'art', src: '/assets/img/hero.svg', alt: '', width: 480, height: 360 })),
      h('div', { class: 'cards' }, joinCard(), member ? createCard() : welcomeCard()));
    if (member) this.append(this.rooms());
  }

  rooms() {
    const place = h('div', { 'aria-busy': 'true' });
    this.load(place, null);
    return h('section', { class: 'rooms' }, h('h2', null, t('home.rooms')), place);
  }

  /** @param {HTMLElement} place @param {string | null} after */
  async load(place, after) {
    const fault = place.querySelector('.fault') ?? place.appendChild(h('p', { class: 'fault', role: 'alert' }));
    const told = (/** @type {Problem} */ problem) => fault.textContent !== problemText(problem) && fill(fault, problemText(problem));
    try {
      const { data, next } = await patiently(() => list('/rooms', { limit: 20, after }), { signal: this.signal, told });
      fill(fault);
      place.removeAttribute('aria-busy');
      if (!after && data.length === 0) return fill(place, h('p', { class: 'empty' }, t('home.none')));
      const rows = place.querySelector('ul') ?? place.appendChild(h('ul', { class: 'room-list' }));
      rows.append(...data.map(roomLine));
      place.querySelector('button.more')?.remove();
      if (next) place.append(h('button', { class: 'more', onclick: once(() => this.load(place, next)) }, t('more')));
    } catch (problem) {
      if (this.signal.aborted) return undefined;
      if (!(problem instanceof Problem)) throw problem;
      told(problem);
    }
    return undefined;
  }
}

/** @param {{room_code: string, created_at: string, state: string, owner_id: number}} room */
function roomLine(room) {
  const mine = room.owner_id === session.me?.id;
  return h('li', null, h('a', { href: `/rooms/${room.room_code}` },
    h('span', { class: 'code' }, showCode(room.room_code)),
    h('span', { class: 'when' }, moment(room.created_at)),
    mine ? h('span', { class: 'tag' }, t('home.mine')) : null,
    room.state && room.state !== 'open' ? h('span', { class: 'tag' }, t(`room.state.${room.state}`)) : null));
}

function joinCard() {
  const code = field('code', t('home.code'), {
    required: true, autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', placeholder: 'K3W-9QX-7TM', hint: t('home.code.hint'), class: 'code' });
  return h('section', { class: 'card' }, h('h2', null, t('home.join')), form({
    fields: code,
    button: t('home.join.button'),
    send: async (data) => {
      const found = readCode(data.code);
      if (!found) throw new Problem(422, { code: 'bad_code', errors: [{ field: 'code', detail: t('home.code.wrong') }] });
      go(`/rooms/${found}`);
    },
  }));
}

function createCard() {
  return h('section', { class: 'card' }, h('h2', null, t('home.create')), h('p', { class: 'stretch' }, t('home.create.text')), form({
    fields: null,
    button: t('home.create.button'),
    send: async () => {
      const room = await api('POST', '/rooms', { json: {} });
      go(`/rooms/${room.room_code}`);
    },
  }));
}

const welcomeCard = () =>
  h('section', { class: 'card' }, h('h2', null, t('home.account')), h('p', { class: 'stretch' }, t('home.account.text')),
    h('div', { class: 'row' },
      h('a', { class: 'button primary', href: '/register' }, t('nav.register')),
      h('a', { class: 'button', href: '/login' }, t('nav.login'))));

/** The start page. */
export const home = define('sc-home', Home);
