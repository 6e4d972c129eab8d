// Why: everything in a call by keyboard. All shortcuts need a modifier, are listed in one dialog,
// and can be switched off (other software may want the same keys).

import { h } from '../lib/dom.js';
import { open } from '../lib/dialog.js';
import { tick } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { prefs, setPrefs } from '../lib/prefs.js';

/** Name of the action and its keys. */
export const KEYS = /** @type {const} */ ({
  microphone: 'Ctrl+D',
  camera: 'Ctrl+E',
  sign: 'Ctrl+Shift+S',
  captions: 'Ctrl+Shift+K',
  transcript: 'Ctrl+Shift+Y',
  chat: 'Ctrl+Shift+M',
  people: 'Ctrl+Shift+P',
  help: 'Ctrl+Shift+?',
  pin: 'Alt+1 … 6',
});

/** @param {KeyboardEvent} event */
function pressed(event) {
  const key = event.code === 'Slash' ? '?' : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  return [(event.ctrlKey || event.metaKey) && 'Ctrl', event.altKey && 'Alt', event.shiftKey && 'Shift', key].filter(Boolean).join('+');
}

/**
 * Listens for the shortcuts until the signal ends.
 *
 * @param {Record<Exclude<keyof typeof KEYS, 'pin'>, () => void> & {pin: (place: number) => void}} actions
 * @param {AbortSignal} signal
 */
export function shortcuts(actions, signal) {
  addEventListener('keydown', (event) => {
    if (!prefs().shortcuts || event.repeat) return;
    const keys = pressed(event);
    const place = /^Alt\+([1-6])$/.exec(keys);
    const name = /** @type {Exclude<keyof typeof KEYS, 'pin'> | undefined} */ (Object.entries(KEYS).find(([, one]) => one === keys)?.[0]);
    if (!place && !name) return;
    event.preventDefault();
    if (place) actions.pin(Number(place[1]));
    else if (name && !document.querySelector('dialog[open]')) actions[name]();
  }, { signal });
}

/** The list of shortcuts, with the switch. */
export function shortcutHelp() {
  const change = (/** @type {Event} */ e) => setPrefs({ shortcuts: /** @type {HTMLInputElement} */ (e.target).checked });
  return open(t('keys.title'), () => [
    tick('shortcuts', t('keys.on'), { checked: prefs().shortcuts, onchange: change }),
    h('table', null, h('tbody', null, Object.entries(KEYS).map(([name, keys]) =>
      h('tr', null, h('th', { scope: 'row' }, t(`keys.${name}`)), h('td', null, keys.split('+').map((key, i) => [i ? ' + ' : '', h('kbd', null, key)])))))),
  ]);
}
