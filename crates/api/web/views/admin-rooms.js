// Why: all rooms at a glance, and the two ways to end one.

import { api, path } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { ask } from '../lib/dialog.js';
import { moment, showCode } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { pagedTable } from '../lib/table.js';

/** The list of rooms. */
export const rooms = () => pagedTable({
  route: '/rooms',
  caption: t('admin.rooms.caption'),
  columns: [t('home.code.short'), t('admin.created'), t('admin.state'), t('admin.owner'), ''],
  cells: (room, reload) => [
    h('a', { href: `/rooms/${room.room_code}`, class: 'code' }, showCode(room.room_code)),
    h('span', { class: 'moment' }, moment(room.created_at)),
    h('span', { class: room.state === 'open' ? 'tag' : 'tag wait' }, t(`room.state.${room.state}`)),
    String(room.owner_id),
    buttons(room, reload),
  ],
}).element;

/** @param {{room_code: string, state: string}} room @param {() => Promise<void>} reload */
function buttons(room, reload) {
  const code = showCode(room.room_code);
  const after = (/** @type {Promise<boolean>} */ done) => done.then((yes) => (yes ? reload() : undefined));
  const end = () => after(ask({ title: t('people.end'), text: t('people.end.text'), yes: t('people.end.yes'), danger: true, action: () => api('POST', path`/rooms/${room.room_code}/close`) }));
  const remove = () => after(ask({ title: t('admin.room.delete', { code }), text: t('admin.room.delete.text'), yes: t('admin.delete'), danger: true, action: () => api('DELETE', path`/rooms/${room.room_code}`) }));
  const name = () => h('span', { class: 'unseen' }, ` ${code}`);
  return h('div', { class: 'row' },
    room.state === 'closed' ? null : h('button', { class: 'small', onclick: end }, t('people.end.yes'), name()),
    h('button', { class: 'small danger-quiet', onclick: remove }, t('admin.delete'), name()));
}
