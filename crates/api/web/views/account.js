// Why: everything a person can see and decide about their own account: name, password, log-ins on
// all devices, their data, and the end of it.

import { Problem, api, list, path, request } from '../lib/api.js';
import { View, define, fill, h } from '../lib/dom.js';
import { ask, attempt } from '../lib/dialog.js';
import { field, form, problemText, tick } from '../lib/form.js';
import { moment } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { prefs, setPrefs } from '../lib/prefs.js';
import { go } from '../lib/router.js';
import { forget, logOut, restore, session } from '../lib/session.js';
import { captionSettings } from '../call/caption-settings.js';
import { newPassword } from './login.js';

class Account extends View {
  build() {
    this.className = 'page';
    this.append(h('h1', null, t('account.title')),
      h('div', { class: 'sections' }, h('div', { class: 'columns' }, this.person(), this.password()), this.tokens(), h('div', { class: 'columns' }, comfort(), mine(), this.end())));
  }

  person() {
    const me = session.me;
    const done = h('p', { role: 'status' });
    return card(t('account.person'), form({
      fields: [
        field('username', t('field.username'), { required: true, value: me?.username ?? '', autocomplete: 'username', maxlength: 50 }),
        field('email', t('field.email'), { required: true, type: 'email', value: me?.email ?? '', autocomplete: 'email', maxlength: 100 }),
      ],
      button: t('save'),
      send: async (data) => {
        /** @type {Record<string, string>} */
        const changed = {};
        if (data.username !== me?.username) changed.username = data.username;
        if (data.email !== me?.email) changed.email = data.email;
        if (Object.keys(changed).length) await api('PATCH', '/users/me', { json: changed });
        await restore();
        fill(done, t('saved'));
      },
      after: done,
    }));
  }

  password() {
    const done = h('p', { role: 'status' });
    const element = form({
      fields: [
        field('current', t('account.password.current'), { required: true, type: 'password', autocomplete: 'current-password' }),
        newPassword('new', t('reset.set.field')),
      ],
      button: t('reset.set.button'),
      send: async (data) => {
        await api('PUT', '/users/me/password', { json: { current: data.current, new: data.new } });
        // Every log-in has ended, this one too: begin another.
        await api('POST', '/sessions', { json: { username: session.me?.username, password: data.new } });
        element.reset();
        fill(done, t('account.password.done'));
      },
      after: done,
    });
    return card(t('account.password'), element);
  }

  tokens() {
    const rows = h('tbody');
    const fault = h('p', { class: 'fault', role: 'alert' });
    const load = async () => {
      try {
        const { data } = await list('/tokens', { limit: 100 });
        fill(rows, data.map((one) => tokenRow(one, load)));
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        fill(fault, problemText(problem));
      }
    };
    const everywhere = () => ask({
      title: t('account.everywhere'), text: t('account.everywhere.text'), yes: t('account.everywhere'), danger: true,
      action: async () => {
        await api('DELETE', '/tokens');
        forget();
        go('/login');
      },
    });
    load();
    return card(t('account.tokens'), fault, h('div', { class: 'table' }, h('table', null,
      h('thead', null, h('tr', null, ['kind', 'since', 'until'].map((one) => h('th', { scope: 'col' }, t(`account.tokens.${one}`))), h('td'))), rows)),
      h('div', null, h('button', { class: 'danger-quiet', onclick: everywhere }, t('account.everywhere'))));
  }

  end() {
    const dialog = () => ask({
      title: t('account.delete'), text: t('account.delete.text'), yes: t('account.delete.yes'), danger: true,
      fields: [
        field('password', t('field.password'), { type: 'password', required: true, autocomplete: 'current-password' }),
        tick('erase_content', t('account.erase'), { hint: t('account.erase.hint') }),
      ],
      action: async (data) => {
        await api('DELETE', '/users/me', { json: { password: data.get('password'), erase_content: data.has('erase_content') } });
        forget();
        go('/');
      },
    });
    return card(t('account.delete'), h('p', null, t('account.delete.text')), h('div', null, h('button', { class: 'danger-quiet', onclick: dialog }, t('account.delete'))));
  }
}

/** @param {string} title @param {...any} content */
const card = (title, ...content) => h('section', { class: 'card' }, h('h2', null, title), content);

/** @param {{id: number, kind: string, created_at: string, token_expiration: string, current: boolean}} one @param {() => void} reload */
function tokenRow(one, reload) {
  const revoke = () => attempt(t(one.current ? 'nav.logout' : 'account.revoke'), async () => {
    if (one.current) {
      await logOut();
      go('/');
      return;
    }
    await api('DELETE', path`/tokens/${one.id}`);
    reload();
  });
  return h('tr', null,
    h('td', null, t(`account.kind.${one.kind}`), one.current ? [' ', h('span', { class: 'tag' }, t('account.current'))] : null),
    h('td', null, moment(one.created_at)), h('td', null, moment(one.token_expiration)),
    h('td', null, h('div', { class: 'row' }, h('button', { class: 'small', onclick: revoke }, t(one.current ? 'nav.logout' : 'account.revoke')))));
}

/** What makes calls comfortable: kept in this browser. */
const comfort = () => card(t('account.comfort'),
  tick('shortcuts', t('keys.on'), { checked: prefs().shortcuts, onchange: (/** @type {any} */ e) => setPrefs({ shortcuts: e.target.checked }) }),
  h('div', null, h('button', { onclick: () => captionSettings() }, t('captions.settings'))));

/** Everything the server knows of one, as a file. */
function mine() {
  const fault = h('p', { class: 'fault', role: 'alert' });
  const take = async () => {
    fill(fault);
    try {
      const url = URL.createObjectURL(await (await request('GET', '/users/me/export')).blob());
      h('a', { href: url, download: 'signcall-export.json' }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(fault, problemText(problem));
    }
  };
  return card(t('account.export'), h('p', null, t('account.export.text')), fault, h('div', null, h('button', { onclick: take }, t('account.export.button'))));
}

/** The account page. */
export const account = define('sc-account', Account);
