// Why: the videos: one tile each, any number pinned large, who is signing told by a badge and a
// frame and not by colour alone.

import { announce } from '../lib/announce.js';
import { View, define, fill, h, soon } from '../lib/dom.js';
import { initial } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';
import { square } from '../signs/capture.js';

/** Shape that tiles aim at: that of most cameras. */
const SHAPE = 16 / 9;
const GAP = 12;
const WAVE_MS = 3000;

/**
 * Columns and tile size that show `count` whole pictures as large as the space allows.
 *
 * @param {number} count @param {number} width @param {number} height
 */
export function arrange(count, width, height) {
  let best = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const w = Math.min((width - GAP * (columns - 1)) / columns, ((height - GAP * (rows - 1)) / rows) * SHAPE);
    if (w > best.width) best = { columns, width: w, height: w / SHAPE };
  }
  return best;
}

class Stage extends View {
  /** @type {import('./call.js').Call} */
  call = /** @type {any} */ (null);
  /** @type {import('../media/mesh.js').Mesh} */
  mesh = /** @type {any} */ (null);
  /** @type {import('../media/devices.js').Media} */
  media = /** @type {any} */ (null);
  /** @type {import('../signs/signing.js').Signing} */
  signing = /** @type {any} */ (null);
  /** @type {Set<number>} */
  pinned = new Set();
  /** @type {Map<number, HTMLElement & {update: () => void}>} */
  tiles = new Map();

  build() {
    this.className = 'stage';
    const draw = soon(() => this.draw());
    for (const type of ['people', 'signing', 'partials']) this.listen(this.call, type, draw);
    this.listen(this.mesh, 'tiles', draw);
    this.listen(this.media, 'change', draw);
    this.listen(this.signing, 'change', () => this.guide());
    this.listen(this.call, 'signal', (e) => e.detail.payload?.wave && this.waved(e.detail.from));
    const watch = new ResizeObserver(() => this.fit());
    watch.observe(this);
    this.onleave(() => watch.disconnect());
    this.square = h('div', { class: 'guide-square', 'aria-hidden': 'true', hidden: true });
    this.draw();
  }

  draw() {
    const inside = [...this.call.people.values()].filter((one) => one.admission !== 'waiting').map((one) => one.rp_user_id);
    const { me } = this.call;
    const others = inside.filter((user) => user !== me && (this.mesh.peers.has(user) || inside.length <= 6));
    const users = [...others, me];
    for (const [user, tile] of this.tiles) {
      if (users.includes(user)) continue;
      tile.remove();
      this.tiles.delete(user);
    }
    for (const user of users) {
      const tile = this.tiles.get(user) ?? this.add(user);
      tile.update();
    }
    const pins = users.filter((user) => this.pinned.has(user)).length;
    this.dataset.pins = String(Math.min(pins, 2));
    this.fit();
  }

  /** Gives every tile the size that shows whole pictures: cut-off hands can't be read. */
  fit() {
    const { columns, width, height } = arrange(this.tiles.size, this.clientWidth, this.clientHeight);
    const pinned = this.dataset.pins !== '0';
    this.style.gridTemplateColumns = pinned ? '' : `repeat(${columns}, ${Math.floor(width)}px)`;
    this.style.gridAutoRows = pinned ? '' : `${Math.floor(height)}px`;
    this.guide();
  }

  /** Shows on one's own tile which square of the picture is read. */
  guide() {
    const tile = this.tiles.get(this.call.me);
    const video = tile?.querySelector('video');
    const { square: frame, signing } = this;
    if (!tile || !video || !frame) return;
    const { videoWidth: w, videoHeight: h } = video;
    frame.hidden = !(signing.on && signing.way === 'images' && w && !video.hidden);
    if (frame.hidden) return;
    if (frame.parentNode !== tile) tile.append(frame);
    const { x, y, size } = square(w, h, signing.side);
    const scale = Math.min(tile.clientWidth / w, tile.clientHeight / h);
    // The whole picture stands in the middle of the tile, mirrored.
    const left = (tile.clientWidth - w * scale) / 2 + (w - x - size) * scale;
    const top = (tile.clientHeight - h * scale) / 2 + y * scale;
    Object.assign(frame.style, { left: `${left}px`, top: `${top}px`, width: `${size * scale}px`, height: `${size * scale}px` });
  }

  /** @param {number} user */
  add(user) {
    const own = user === this.call.me;
    const video = h('video', { autoplay: true, playsinline: true, 'aria-hidden': 'true', tabindex: '-1' });
    video.muted = own;
    const badge = h('span', { class: 'badge big', 'aria-hidden': 'true' });
    const name = h('span', { class: 'name' });
    const signing = h('span', { class: 'signing', hidden: true }, icon('hand'), t('people.signing'));
    const state = h('span', { class: 'soft' });
    const pin = h('button', { class: 'small pin', onclick: () => this.pin(user) }, icon('pin'));
    video.addEventListener('resize', () => own && this.guide());
    const wave = own ? null : h('button', { class: 'small wave', onclick: () => this.wave(user, wave) }, icon('wave'));
    const tile = h('div', { class: own ? 'tile own' : 'tile', role: 'group' }, badge, video, h('p', { class: 'plate' }, name, state, signing), h('div', { class: 'tile-tools' }, wave, pin));
    tile.update = () => {
      const peer = this.mesh.peers.get(user)?.peer;
      const stream = own ? this.media.stream : peer?.remote;
      const track = stream?.getVideoTracks()[0];
      const seen = Boolean(track && !track.muted && track.readyState === 'live' && (own || peer?.alive));
      if (stream && video.srcObject !== stream) video.srcObject = stream;
      if (stream && video.paused) video.play().catch(() => null);
      video.hidden = !seen;
      const text = this.call.name(user);
      tile.setAttribute('aria-label', text);
      fill(name, h('bdi', null, own ? t('stage.you') : text));
      fill(badge, initial(text));
      badge.style.backgroundColor = this.call.colour(user);
      const active = this.call.signing.has(user) || [...this.call.partials.values()].some((one) => one.user === user);
      tile.classList.toggle('active', active);
      signing.hidden = !active;
      fill(state, own || seen ? null : this.status(user));
      const pinned = this.pinned.has(user);
      tile.classList.toggle('pinned', pinned);
      wave?.setAttribute('aria-label', t('stage.wave', { name: text }));
      pin.setAttribute('aria-pressed', String(pinned));
      pin.setAttribute('aria-label', t(pinned ? 'stage.unpin' : 'stage.pin', { name: text }));
    };
    this.tiles.set(user, tile);
    this.append(tile);
    return tile;
  }

  /** @param {number} user */
  status(user) {
    const state = this.mesh.peers.get(user)?.peer.state;
    if (state === 'failed') return t('stage.failed');
    if (state === 'new' || state === 'connecting' || state === 'disconnected') return t('stage.connecting');
    return t('stage.novideo');
  }

  /** Waves at somebody: the way to get attention without sound. @param {number} user @param {HTMLButtonElement} button */
  wave(user, button) {
    this.call.signal(user, { wave: true });
    button.disabled = true;
    setTimeout(() => { button.disabled = false; }, WAVE_MS);
  }

  /** @param {number} user who waves */
  waved(user) {
    const tile = this.tiles.get(user);
    if (!tile || tile.classList.contains('waving')) return;
    tile.classList.add('waving');
    setTimeout(() => tile.classList.remove('waving'), WAVE_MS);
    announce(t('stage.waves', { name: this.call.name(user) }));
  }

  /** Pins a tile, or lets it go. @param {number} user */
  pin(user) {
    if (!this.pinned.delete(user)) this.pinned.add(user);
    this.draw();
  }

  /** Pins by place, for the keyboard. @param {number} place from 1 */
  pinAt(place) {
    const user = [...this.tiles.keys()][place - 1];
    if (user !== undefined) this.pin(user);
  }
}

/** The stage. */
export const stage = define('sc-stage', Stage);
