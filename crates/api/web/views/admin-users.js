// Why: the users: search, block with a reason, unblock, make an administrator, hand out a reset link,
// delete.

import { api, path } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { ask, open } from '../lib/dialog.js';
import { field, tick } from '../lib/form.js';
import { moment } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { session } from '../lib/session.js';
import { pagedTable } from '../lib/table.js';

const SEARCH_WAIT_MS = 250;

/** @typedef {{id: number, username: string, email: string, is_admin: boolean, is_blocked: boolean, is_guest: boolean, block_reason: string | null, last_seen: string, created_at: string}} User */

/** The list of users. */
export function users() {
  const table = pagedTable({
    route: '/users',
    caption: t('admin.users.caption'),
    columns: [t('field.username'), t('field.email'), t('admin.state'), t('admin.seen'), ''],
    cells: (user, reload) => [user.username, user.email, state(user), h('span', { class: 'moment' }, moment(user.last_seen)), buttons(user, reload)],
  });
  let timer = 0;
  const search = h('input', { type: 'search', 'aria-label': t('admin.users.search'), placeholder: t('admin.users.search'), oninput: () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => table.search({ q: search.value.trim() || null }), SEARCH_WAIT_MS);
  } });
  return h('div', { class: 'stack' }, search, table.element);
}

/** @param {User} user */
const state = (user) => h('span', { class: 'row' },
  user.is_admin ? h('span', { class: 'tag' }, t('admin.is.admin')) : null,
  user.is_guest ? h('span', { class: 'tag' }, t('admin.is.guest')) : null,
  user.is_blocked ? h('span', { class: 'tag bad', title: user.block_reason ?? '' }, t('admin.is.blocked')) : null,
  user.is_blocked && user.block_reason ? h('span', { class: 'soft' }, user.block_reason) : null);

/** @param {User} user @param {() => Promise<void>} reload */
function buttons(user, reload) {
  if (user.id === session.me?.id) return h('span', { class: 'soft' }, t('people.you'));
  const one = (/** @type {string} */ key, /** @type {() => Promise<unknown>} */ action, danger = false) =>
    h('button', { class: danger ? 'small danger-quiet' : 'small', onclick: async () => { await action(); await reload(); } }, t(key), h('span', { class: 'unseen' }, ` ${user.username}`));
  return h('div', { class: 'row' },
    user.is_blocked ? one('admin.unblock', () => api('POST', path`/users/${user.id}/unblock`)) : one('admin.block', () => block(user), true),
    user.is_guest ? null : one(user.is_admin ? 'admin.revoke' : 'admin.grant', () => grant(user)),
    user.is_guest ? null : one('admin.reset', () => reset(user)),
    one('admin.delete', () => remove(user), true));
}

/** @param {User} user */
const block = (user) => ask({
  title: t('admin.block.title', { name: user.username }), text: t('admin.block.text'), yes: t('admin.block'), danger: true,
  fields: field('reason', t('admin.block.reason'), { maxlength: 500, required: true }),
  action: (data) => api('POST', path`/users/${user.id}/block`, { json: { reason: String(data.get('reason') ?? '') } }),
});

/** @param {User} user */
const grant = (user) => ask({
  title: t(user.is_admin ? 'admin.revoke.title' : 'admin.grant.title', { name: user.username }),
  text: t(user.is_admin ? 'admin.revoke.text' : 'admin.grant.text'), yes: t(user.is_admin ? 'admin.revoke' : 'admin.grant'),
  action: () => api(user.is_admin ? 'DELETE' : 'PUT', path`/users/${user.id}/admin`),
});

/** @param {User} user */
const remove = (user) => ask({
  title: t('admin.delete.title', { name: user.username }), text: t('account.delete.text'), yes: t('admin.delete'), danger: true,
  fields: tick('erase_content', t('account.erase'), { hint: t('account.erase.hint') }),
  action: (data) => api('DELETE', path`/users/${user.id}`, { json: { erase_content: data.has('erase_content') } }),
});

/** Makes a link for a new password, to be handed over by another way. @param {User} user */
async function reset(user) {
  await ask({
    title: t('admin.reset'), text: t('admin.reset.text', { name: user.username }), yes: t('admin.reset'),
    action: async () => {
      const answer = await api('POST', path`/users/${user.id}/password-reset`, { key: null });
      open(t('admin.reset'), () => [h('p', null, t('admin.reset.done')), h('p', { class: 'kept' }, location.origin + answer.path)]);
    },
  });
}
