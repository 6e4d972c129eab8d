// Why: the ways to become somebody: logging in, registering, and making the first administrator.

import { api } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { field, form } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { go } from '../lib/router.js';
import { logIn, register } from '../lib/session.js';

/** Where to go afterwards: only to a place on this page. */
function onwards() {
  const next = new URLSearchParams(location.search).get('next') ?? '/';
  go(/^\/(?!\/)/.test(next) ? next : '/', { replace: true });
}

const kept = () => location.search.replace(/&ended$/, '');

const username = () =>
  field('username', t('field.username'), { required: true, autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', maxlength: 50 });

const email = () => field('email', t('field.email'), { type: 'email', required: true, autocomplete: 'email', maxlength: 100 });

/** A new password, with the rule told beforehand. */
export const newPassword = (name = 'password', label = t('field.password')) =>
  field(name, label, { type: 'password', required: true, autocomplete: 'new-password', hint: t('field.password.hint') });

/** Logging in. */
export function login() {
  const password = field('password', t('field.password'), { type: 'password', required: true, autocomplete: 'current-password' });
  const ended = new URLSearchParams(location.search).has('ended');
  return page(t('login.title'), ended ? t('login.ended') : null, form({
    fields: [username(), password],
    button: t('login.button'),
    send: async (data) => {
      await logIn(data.username, data.password);
      onwards();
    },
    after: h('p', { class: 'links' },
      h('a', { href: `/register${kept()}` }, t('login.register')), h('a', { href: '/reset' }, t('login.reset'))),
  }));
}

/** Registering. */
export function registration() {
  return page(t('register.title'), t('register.text'), form({
    fields: [username(), email(), newPassword()],
    button: t('register.button'),
    send: async (data) => {
      await register({ username: data.username, email: data.email, password: data.password });
      onwards();
    },
    after: h('p', { class: 'links' }, h('a', { href: `/login${kept()}` }, t('register.login'))),
  }));
}

/** The first administrator, by the secret that the server's operator made. */
export function setup() {
  const secret = field('secret', t('setup.secret'), { required: true, autocomplete: 'off', hint: t('setup.hint') });
  return page(t('setup.title'), t('setup.text'), form({
    fields: [secret, username(), email(), newPassword()],
    button: t('setup.button'),
    send: async (data) => {
      const { token } = await api('POST', '/admin/bootstrap', { json: data, key: null });
      await logIn(data.username, data.password);
      await api('DELETE', '/tokens/current', { token }).catch(() => null);
      go('/admin', { replace: true });
    },
  }));
}

/** @param {string} title @param {string | null} text @param {Node} content */
export function page(title, text, content) {
  return h('section', { class: 'page narrow' }, h('h1', null, title), text ? h('p', { class: 'lead' }, text) : null, h('div', { class: 'card' }, content));
}
