// Why: the chat: everything that was written, one's own lines to mend or take back, who is typing.

import { View, define, fill, h } from '../lib/dom.js';
import { ask } from '../lib/dialog.js';
import { Problem, path, randomKey } from '../lib/api.js';
import { problemText } from '../lib/form.js';
import { time } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { save } from '../lib/save.js';
import { blankText, displace, follower, place } from './follow.js';

const FORMATS = ['txt', 'json'];
const LENGTH_MAX = 4000;

class Chat extends View {
  /** @type {import('./call.js').Call} */
  call = /** @type {any} */ (null);
  /** @type {Map<number, HTMLElement>} */
  shown = new Map();
  list = follower(t('chat.label'), () => this.call.loadRows('chat', this.call.earlier.chat ?? ''));
  /** The message being mended. @type {number | null} */
  editing = null;
  /** What could not be sent, and stands to be sent again. @type {{text: string, editing: number | null, key: string} | null} */
  unsent = null;
  /** What is on its way. */
  sending = Promise.resolve();

  build() {
    this.className = 'panel-body chat';
    this.empty = h('p', { class: 'empty' });
    this.typing = h('p', { class: 'typing', 'aria-live': 'off' });
    this.fault = h('p', { class: 'fault', role: 'alert' });
    this.input = h('textarea', {
      rows: 1, maxlength: LENGTH_MAX, 'aria-label': t('chat.write'), placeholder: t('chat.write'),
      oninput: () => this.grow(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e) });
    const send = h('button', { class: 'primary icon-only', 'aria-label': t('chat.send') }, icon('send'));
    const form = h('form', { class: 'write', onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); this.send(); } }, this.input, send);
    const tools = h('div', { class: 'tools' }, h('details', { class: 'export' },
      h('summary', { class: 'button small' }, icon('download'), t('transcript.export')),
      h('div', { class: 'row' }, FORMATS.map((one) => h('button', { class: 'small', onclick: () => this.take(one) }, one.toUpperCase())))));
    this.append(tools, this.empty, this.list.element, this.typing, this.fault, form);
    for (const row of this.call.ordered('chat').values()) this.show(row, false);
    this.listen(this.call, 'chat', (e) => this.show(e.detail.row, e.detail.live));
    this.listen(this.call, 'anew', () => this.clear());
    this.listen(this.call, 'earlier', () => this.list.more(Boolean(this.call.earlier.chat)));
    this.listen(this.call, 'people', () => this.again());
    this.listen(this.call, 'dropped', ({ detail }) => detail.which === 'chat' && displace(this.shown, detail.id));
    for (const type of ['missing', 'loaded']) this.listen(this.call, type, () => this.blank());
    this.listen(this.call, 'typing', () => this.sayTyping());
    this.listen(this.call, 'room', () => this.close());
    this.list.more(Boolean(this.call.earlier.chat));
    this.blank();
    this.close();
  }

  /** What stands there without messages: there may be some that are not here yet. */
  blank() {
    this.empty.hidden = this.shown.size > 0;
    fill(this.empty, blankText(this.call, 'chat.empty'));
  }

  close() {
    const closed = this.call.room.state === 'closed';
    this.input.disabled = closed;
    if (closed) this.input.placeholder = t('chat.closed');
  }

  clear() {
    this.shown.clear();
    fill(this.list.items);
    this.empty.hidden = false;
  }

  again() {
    for (const row of this.call.chat.values()) this.show(row, false);
  }

  /** @param {import('./call.js').ChatRow} row @param {boolean} live */
  show(row, live) {
    this.empty.hidden = true;
    const own = row.user_id === this.call.me;
    const name = this.call.name(row.user_id, row);
    const text = row.deleted_at ? this.gone(row) : row.msg_content ?? t('chat.erased');
    const soft = row.deleted_at || row.msg_content === null;
    const badge = h('span', { class: 'dot', 'aria-hidden': 'true' });
    badge.style.backgroundColor = this.call.colour(row.user_id);
    const item = h('li', { class: own ? 'message own' : 'message', data: { id: row.id } },
      h('div', { class: 'meta' }, badge, h('span', { class: 'who', dir: 'auto' }, name), h('time', { datetime: row.created_at }, time(row.created_at)),
        row.edited_at && !row.deleted_at ? h('span', null, t('chat.edited')) : null,
        (own || this.call.mine) && !soft ? this.actions(row, own) : null),
      h('p', { class: soft ? 'text soft' : 'text', dir: 'auto' }, text));
    place(this.list.items, item, this.shown);
    this.list.grew(live && !own);
  }

  /** What a tombstone says. @param {import('./call.js').ChatRow} row */
  gone(row) {
    const other = row.deleted_by != null && row.deleted_by !== row.user_id;
    return other ? t('chat.deleted.by', { name: this.call.name(row.deleted_by ?? null) }) : t('chat.deleted');
  }

  /** @param {import('./call.js').ChatRow} row @param {boolean} own */
  actions(row, own) {
    return h('div', { class: 'actions' },
      own ? h('button', { class: 'quiet small icon-only', 'aria-label': t('chat.edit'), onclick: () => this.edit(row) }, icon('edit')) : null,
      h('button', { class: 'quiet small icon-only', 'aria-label': t('chat.delete'), onclick: () => this.takeBack(row) }, icon('trash')));
  }

  /** @param {import('./call.js').ChatRow} row */
  edit(row) {
    this.editing = row.id;
    this.input.value = row.msg_content ?? '';
    this.classList.add('editing');
    this.grow();
    this.input.focus();
    this.input.setSelectionRange(this.input.value.length, this.input.value.length);
  }

  stopEditing() {
    this.editing = null;
    this.input.value = '';
    this.classList.remove('editing');
    this.grow();
  }

  /** @param {import('./call.js').ChatRow} row */
  async takeBack(row) {
    await ask({
      title: t('chat.delete'), text: t('chat.delete.text'), yes: t('chat.delete.yes'), danger: true,
      action: () => this.call.ask(path`/messages/${row.id}`, {}, 'DELETE'),
    });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send();
    } else if (event.key === 'Escape' && this.editing !== null) this.stopEditing();
    else if (event.key === 'ArrowUp' && !this.input.value) {
      const mine = [...this.call.ordered('chat').values()].filter((row) => row.user_id === this.call.me);
      const last = mine.findLast((row) => !row.deleted_at && row.msg_content !== null);
      if (!last) return;
      event.preventDefault();
      this.edit(last);
    }
  }

  grow() {
    this.input.style.blockSize = 'auto';
    this.input.style.blockSize = `${Math.min(this.input.scrollHeight + 2, 160)}px`;
    if (this.input.value && this.editing === null) this.call.sayTyping();
  }

  send() {
    const text = this.input.value.trim();
    if (!text) return;
    const { editing, unsent } = this;
    // The same text again may be one whose answer was lost on the way.
    const key = unsent && unsent.text === text && unsent.editing === editing ? unsent.key : randomKey();
    this.unsent = null;
    this.stopEditing();
    // One after the other, or two lines in a hurry change places.
    this.sending = this.sending.then(() => this.post({ text, editing, key }));
  }

  /** @param {{text: string, editing: number | null, key: string}} message */
  async post(message) {
    const { text, editing, key } = message;
    const json = { msg_content: text };
    fill(this.fault);
    try {
      const row = editing === null ? await this.call.ask('/messages', { json, key }) : await this.call.ask(path`/messages/${editing}`, { json, key }, 'PATCH');
      if (row) this.call.put('chat', row, editing === null);
      this.list.down();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.giveBack(message);
      fill(this.fault, problemText(problem));
    }
  }

  /** Saves the chat as a file. @param {string} format */
  async take(format) {
    fill(this.fault);
    try {
      await save(`${path`/rooms/${this.call.code}`}/chat.${format}`, `${this.call.code}-chat.${format}`);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(this.fault, problemText(problem));
    }
  }

  /** What was not sent goes back to where it was typed, before what was typed since. @param {{text: string, editing: number | null, key: string}} message */
  giveBack(message) {
    const since = this.input.value;
    this.input.value = since ? `${message.text}\n${since}` : message.text;
    if (!since) {
      this.unsent = message;
      this.editing = message.editing;
      this.classList.toggle('editing', message.editing !== null);
    }
    this.grow();
  }

  sayTyping() {
    const names = [...this.call.typing.keys()].map((user) => this.call.name(user));
    fill(this.typing, names.length ? t('chat.typing', { n: names.length, names: names.join(', ') }) : null);
  }
}

/** The panel. */
export const chat = define('sc-chat', Chat);
