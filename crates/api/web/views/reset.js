// Why: the way back in for who forgot the password: asking for a link, and using it once.

import { api, path } from '../lib/api.js';
import { fill, h } from '../lib/dom.js';
import { field, form } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { newPassword, page } from './login.js';

/** Asking for a link. The answer is the same whether or not the address is known. */
export function ask() {
  const content = h('div');
  const email = field('email', t('field.email'), { type: 'email', required: true, autocomplete: 'email' });
  fill(content, form({
    fields: email,
    button: t('reset.ask.button'),
    send: async (data) => {
      await api('POST', '/password-resets', { json: { email: data.email }, key: null });
      fill(content, h('p', { role: 'status' }, t('reset.ask.done')));
    },
  }));
  return page(t('reset.ask.title'), t('reset.ask.text'), content);
}

/** Setting the new password. @param {{secret: string}} link */
export function set({ secret }) {
  const content = h('div');
  fill(content, form({
    fields: newPassword('new', t('reset.set.field')),
    button: t('reset.set.button'),
    send: async (data) => {
      await api('PUT', path`/password-resets/${secret}`, { json: { new: data.new }, key: null });
      fill(content, h('p', { role: 'status' }, t('reset.set.done')), h('a', { class: 'button', href: '/login' }, t('nav.login')));
    },
  }));
  return page(t('reset.set.title'), null, content);
}
