// Why: puts the parts of a call together: stage, captions, panels, toolbar, keyboard; and what is
// left of a call when it is over.

import { alarm, announce } from '../lib/announce.js';
import { Problem, api, path } from '../lib/api.js';
import { View, define, fill, h, soon } from '../lib/dom.js';
import { ask } from '../lib/dialog.js';
import { problemText } from '../lib/form.js';
import { clock, showCode } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { changes, prefs, setCaptions } from '../lib/prefs.js';
import { captionSettings } from '../call/caption-settings.js';
import { captions } from '../call/captions.js';
import { chat } from '../call/chat.js';
import { captionLog } from '../call/log.js';
import { people } from '../call/people.js';
import { shortcutHelp, shortcuts } from '../call/shortcuts.js';
import { stage } from '../call/stage.js';
import { toolbar } from '../call/toolbar.js';
import { transcript } from '../call/transcript.js';
import { Mesh } from '../media/mesh.js';
import { signDialog } from '../signs/sign-dialog.js';
import { signStatus } from '../signs/sign-status.js';
import { Signing } from '../signs/signing.js';

const PANELS = { transcript, chat, people };
/** @typedef {keyof typeof PANELS} PanelName */

class InCall extends View {
  /** @type {import('../call/call.js').Call} */
  call = /** @type {any} */ (null);
  /** @type {import('../media/devices.js').Media} */
  media = /** @type {any} */ (null);
  /** Says that the call is over for us. @type {(reason: string) => void} */
  left = () => {};
  /** @type {PanelName | ''} */
  open = '';
  /** @type {Record<string, number>} */
  unread = {};

  build() {
    const { call, media } = this;
    this.className = 'call';
    this.mesh = new Mesh(call, media);
    this.signing = new Signing(call, media);
    this.stage = stage({ call, mesh: this.mesh, media, signing: this.signing });
    this.bar = toolbar({ media, signing: this.signing, actions: this.actions() });
    this.panel = h('aside', { id: 'panel', class: 'panel', hidden: true, tabindex: '-1' });
    this.status = h('p', { class: 'connection', role: 'status' });
    this.notice = h('p', { class: 'notice', role: 'status' });
    this.elapsed = h('span', { class: 'soft' });
    this.crowd = h('span', { class: 'soft' });
    this.theatre = h('div', { class: 'theatre' }, this.stage, captions({ call }));
    this.append(
      h('header', { class: 'callbar' }, h('h1', { class: 'code', tabindex: '-1' }, showCode(call.code)), this.elapsed, this.crowd, signStatus({ signing: this.signing }), this.status, this.notice),
      this.theatre, this.panel, this.bar, captionLog({ call }));
    this.wire();
    if (matchMedia('(min-width: 60rem)').matches) this.show(/** @type {PanelName} */ (prefs().panel), false);
    call.start();
  }

  wire() {
    const { call } = this;
    const actions = this.actions();
    shortcuts({ ...actions, transcript: () => actions.panel('transcript'), chat: () => actions.panel('chat'), people: () => actions.panel('people'), pin: (place) => this.stage?.pinAt(place) }, this.signal);
    for (const type of ['state', 'missing']) this.listen(call, type, () => this.connection(call.socket.state));
    this.listen(call, 'end', (e) => this.end(e.detail));
    this.listen(call, 'chat', (e) => e.detail.live && e.detail.row.user_id !== call.me && this.heard(e.detail.row));
    this.listen(call, 'moved', (e) => this.tell(e.detail));
    this.listen(changes, 'change', () => this.place());
    this.listen(this.media, 'change', () => this.noted());
    this.listen(/** @type {Mesh} */ (this.mesh), 'elsewhere', () => this.elsewhere());
    const counted = soon(() => this.counted());
    this.listen(call, 'people', counted);
    this.listen(/** @type {Mesh} */ (this.mesh), 'tiles', counted);
    this.place();
    const timer = setInterval(() => fill(/** @type {Element} */ (this.elapsed), clock(Date.now() - Date.parse(call.room.created_at))), 1000);
    this.onleave(() => {
      clearInterval(timer);
      this.signing?.stop().catch(() => null);
      this.mesh?.leave();
      call.stop();
      document.title = 'Signcall';
    });
  }

  /** How many are here whom one can't see, since video goes to few. */
  counted() {
    const inside = [...this.call.people.values()].filter((one) => one.admission !== 'waiting').length;
    const unseen = inside - (this.stage?.tiles.size ?? inside);
    const text = unseen > 0 ? t('room.unseen', { n: unseen }) : '';
    if (this.crowd?.textContent !== text) fill(/** @type {Element} */ (this.crowd), text);
  }

  /** Says why there is no picture or sound, and where the video is if not here. */
  noted() {
    const kinds = /** @type {const} */ ([['video', 'camera'], ['audio', 'microphone']]);
    const faults = kinds.filter(([kind]) => this.media.fault[kind]).map(([kind, name]) => `${t(`bar.${name}`)}: ${t(`media.${this.media.fault[kind]}`)}`);
    const elsewhere = this.mesh?.elsewhere;
    const text = [elsewhere ? t('room.elsewhere') : '', ...faults].filter(Boolean).join(' ');
    if (this.notice?.dataset.text === text) return;
    this.notice.dataset.text = text;
    fill(this.notice, text || null, elsewhere ? [' ', h('button', { class: 'small', onclick: () => this.mesh?.claim() }, t('room.here'))] : null);
  }

  /** Another tab or device of the same person has the video; signs would be read twice. */
  elsewhere() {
    if (this.mesh?.elsewhere) this.signing?.halt();
    this.noted();
  }

  /** Where captions stand is for the layout to know. */
  place() {
    if (this.theatre) this.theatre.dataset.captions = prefs().captions.position;
  }

  actions() {
    const { media } = this;
    return {
      microphone: () => media.set('audio', !media.audio),
      camera: () => media.set('video', !media.video),
      sign: () => this.signing && signDialog(this.signing),
      captions: () => setCaptions({ shown: !prefs().captions.shown }),
      captionSettings: () => captionSettings(),
      panel: (/** @type {string} */ name) => this.show(this.open === name ? '' : /** @type {PanelName} */ (name)),
      help: () => shortcutHelp(),
      leave: () => this.end('left'),
    };
  }

  /** @param {string} state */
  connection(state) {
    const text = state === 'waiting' ? t('room.lost') : state === 'connecting' ? t('room.connecting') : this.call.missing ? t('room.missing') : '';
    if (this.status?.textContent !== text) fill(/** @type {Element} */ (this.status), text);
    if (state === 'waiting' && !this.offline) alarm(t('room.lost'));
    if (state === 'online' && this.offline) announce(t('room.back'));
    this.offline = state === 'waiting' || (this.offline && state === 'connecting');
  }

  /** Opens a panel, or none. @param {PanelName | ''} name @param {boolean} [focus] */
  show(name, focus = true) {
    const before = this.open;
    this.open = name;
    if (!this.panel || !this.bar) return;
    this.classList.toggle('with-panel', name !== '');
    this.panel.hidden = name === '';
    if (name) {
      this.unread[name] = 0;
      const shut = h('button', { class: 'quiet icon-only', 'aria-label': t('close'), onclick: () => this.show('') }, icon('close'));
      this.panel.setAttribute('aria-label', t(`bar.${name}`));
      fill(this.panel, h('header', null, h('h2', null, t(`bar.${name}`)), shut), PANELS[name]({ call: this.call }));
      if (focus) this.panel.focus();
    } else fill(this.panel);
    Object.assign(this.bar, { open: name, unread: this.unread });
    this.bar.draw();
    if (!name && before && focus) /** @type {HTMLElement | null} */ (this.bar.querySelector(`[data-name="${before}"]`))?.focus();
    this.titled();
  }

  /** Somebody wrote: counted for those who see the count, and said for those who don't. @param {import('../call/call.js').ChatRow} row */
  heard(row) {
    this.count('chat');
    if (row.msg_content) announce(t('chat.said', { name: this.call.name(row.user_id, row), text: row.msg_content }));
  }

  /** @param {string} panel */
  count(panel) {
    if (this.open === panel || !this.bar) return;
    this.unread[panel] = (this.unread[panel] ?? 0) + 1;
    Object.assign(this.bar, { unread: this.unread });
    this.bar.redraw();
    this.titled();
  }

  titled() {
    const unread = this.unread.chat ? `(${this.unread.chat}) ` : '';
    document.title = `${unread}${showCode(this.call.code)} · Signcall`;
  }

  /** @param {{type: string, data: any}} moved */
  tell({ type, data }) {
    const user = data?.rp_user_id ?? data?.user_id;
    if (user === this.call.me || user === undefined) return;
    const name = data?.username ?? this.call.name(user);
    const key = `room.told.${type.replace('participant_', '')}`;
    const waiting = data?.admission === 'waiting';
    if (waiting && this.call.mine) {
      announce(t('room.told.waiting', { name }));
      this.count('people');
    } else if (/joined|left|removed|sent_back/.test(type)) announce(t(key, { name }));
  }

  /** @param {string} reason */
  end(reason) {
    if (reason !== 'left') alarm(t(`room.ended.${reason}`));
    this.left(reason);
  }
}

/** The call itself. */
export const inCall = define('sc-in-call', InCall);

/** Reasons after which the room can still be read. */
const READABLE = ['left', 'closed'];

class Archive extends View {
  /** @type {import('../call/call.js').Call} */
  call = /** @type {any} */ (null);
  reason = 'left';
  /** Goes back into the call. @type {(() => void) | null} */
  back = null;

  build() {
    const { call, reason } = this;
    call.stop();
    const readable = READABLE.includes(reason);
    const again = reason === 'left' && this.back;
    const place = h('div', { class: 'columns archive' });
    this.className = 'page';
    this.append(
      h('h1', { tabindex: '-1' }, t(`room.ended.${reason}`)),
      h('p', { class: 'lead' }, t(`room.ended.${reason}.text`)),
      h('div', { class: 'row under' },
        again ? h('button', { class: 'primary', onclick: () => this.back?.() }, t('room.again')) : null,
        h('a', { class: 'button', href: '/' }, t('lost.home')),
        again && !call.mine ? h('button', { class: 'danger-quiet', onclick: () => this.leaveForGood() }, t('room.forgood')) : null),
      place);
    if (readable) this.read(place);
  }

  /** @param {HTMLElement} place */
  async read(place) {
    const status = h('p', { role: 'status' }, t('loading'));
    fill(place, status);
    const told = () => fill(status, this.call.missing ? t('room.missing') : t('loading'));
    this.listen(this.call, 'missing', told);
    try {
      await this.call.load(this.signal);
    } catch (problem) {
      if (this.signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      fill(place, h('p', { class: 'fault', role: 'alert' }, problemText(problem)));
      return;
    }
    const one = (/** @type {PanelName} */ name) => h('section', { class: 'card panel' }, h('h2', null, t(`bar.${name}`)), PANELS[name]({ call: this.call }));
    fill(place, one('transcript'), one('chat'));
  }

  leaveForGood() {
    return ask({
      title: t('room.forgood'), text: t('room.forgood.text'), yes: t('room.forgood'), danger: true,
      action: async () => {
        await api('DELETE', path`/rooms/${this.call.code}/participants/me`);
        location.assign('/');
      },
    });
  }
}

/** What is left when a call is over. */
export const archive = define('sc-archive', Archive);
