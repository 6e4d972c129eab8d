// Why: the audit trail: what was done, by whom, when. It is the event log itself.

import { h } from '../lib/dom.js';
import { field, form } from '../lib/form.js';
import { moment } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { pagedTable } from '../lib/table.js';

/** The trail, with its filters. */
export function audit() {
  const table = pagedTable({
    route: '/events',
    caption: t('admin.audit.caption'),
    columns: [t('admin.audit.position'), t('admin.audit.when'), t('admin.audit.what'), t('admin.audit.actor'), t('admin.audit.about')],
    cells: (event) => [String(event.position ?? ''), h('span', { class: 'moment' }, moment(event.created_at)), h('code', null, event.type), actor(event), about(event)],
  });
  const filters = ['actor', 'user', 'room'];
  const search = form({
    fields: h('div', { class: 'columns' }, filters.map((name) => field(name, t(`admin.audit.by.${name}`), { autocomplete: 'off' }))),
    button: t('transcript.search'),
    send: (data) => table.search(Object.fromEntries(filters.map((name) => [name, data[name].trim() || null]))),
  });
  return h('div', { class: 'stack' }, search, table.element);
}

/** Who did it: a part of the system, or which user. @param {any} event */
const actor = (event) => (event.actor_id ? `${t('admin.audit.user')} ${event.actor_id}` : event.actor);

/** @param {any} event */
const about = (event) => [event.user_id && `${t('admin.audit.by.user')} ${event.user_id}`, event.room_id && `${t('admin.audit.by.room')} ${event.room_id}`, event.type === 'user.model_taught' && event.data?.model].filter(Boolean).join(', ');
