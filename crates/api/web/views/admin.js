// Why: what administrators need: who uses the server, who is blocked and why, which rooms there are,
// what models can say, what was done, and whether all is well.

import { View, define, fill, h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { audit } from './admin-audit.js';
import { health } from './admin-health.js';
import { rooms } from './admin-rooms.js';
import { teach } from './admin-teach.js';
import { users } from './admin-users.js';

const TABS = { users, rooms, teach, audit, health };
/** @typedef {keyof typeof TABS} Tab */

class Admin extends View {
  build() {
    this.className = 'page';
    this.place = h('div', { role: 'tabpanel', id: 'admin-panel', tabindex: '0' });
    this.tabs = h('div', { role: 'tablist', 'aria-label': t('admin.title') }, Object.keys(TABS).map((name) =>
      h('button', { role: 'tab', id: `tab-${name}`, 'aria-controls': 'admin-panel', data: { name }, onclick: () => this.show(/** @type {Tab} */ (name)) }, t(`admin.${name}`))));
    this.tabs.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => this.move(event));
    this.append(h('h1', null, t('admin.title')), this.tabs, this.place);
    const asked = location.hash.slice(1);
    this.show(asked in TABS ? /** @type {Tab} */ (asked) : 'users');
  }

  /** @param {Tab} name */
  show(name) {
    history.replaceState(null, '', `#${name}`);
    for (const tab of this.tabs?.children ?? []) {
      const on = tab.dataset.name === name;
      tab.setAttribute('aria-selected', String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    this.place?.setAttribute('aria-labelledby', `tab-${name}`);
    if (this.place) fill(this.place, TABS[name]());
  }

  /** @param {KeyboardEvent} event */
  move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = /** @type {Tab[]} */ (Object.keys(TABS));
    const at = names.findIndex((name) => name === /** @type {HTMLElement} */ (event.target).dataset.name);
    const next = names[(at + step + names.length) % names.length];
    this.show(next);
    document.getElementById(`tab-${next}`)?.focus();
  }
}

/** The console. */
export const admin = define('sc-admin', Admin);
