// Why: what a person set up (captions, shortcuts, theme, devices) stays set up, for each person who
// uses this browser apart from the others. It never leaves the browser.

import { session } from './session.js';

/** @typedef {{shown: boolean, size: number, font: string, text: string, background: string, opacity: number, position: string, lines: number, partials: boolean, threshold: number, announce: boolean}} CaptionPrefs */
/** @typedef {{captions: CaptionPrefs, shortcuts: boolean, theme: string, camera: string, microphone: string, withoutSound: boolean, withoutVideo: boolean, panel: string}} Prefs */

/** What captions look like and which of them are shown. @type {Readonly<CaptionPrefs>} */
export const CAPTIONS = Object.freeze({
  shown: true,
  size: 100,
  font: 'sans',
  text: '#ffffff',
  background: '#000000',
  opacity: 85,
  position: 'below',
  lines: 3,
  partials: true,
  threshold: 0,
  announce: true,
});

/** @type {Readonly<Prefs>} */
const DEFAULTS = Object.freeze({
  captions: CAPTIONS,
  shortcuts: true,
  theme: 'auto',
  camera: '',
  microphone: '',
  withoutSound: true,
  withoutVideo: false,
  panel: 'transcript',
});

const key = () => `signcall.prefs.${session.me && !session.me.is_guest ? session.me.id : 'guest'}`;

/** Says `change` after each setting. */
export const changes = new EventTarget();

/** Everything that is set, defaults filled in. @returns {Prefs} */
export function prefs() {
  const kept = read();
  return { ...DEFAULTS, ...kept, captions: { ...CAPTIONS, ...kept.captions } };
}

/** Sets some of it. @param {Partial<Prefs>} patch */
export function setPrefs(patch) {
  localStorage.setItem(key(), JSON.stringify({ ...read(), ...patch }));
  changes.dispatchEvent(new Event('change'));
}

/** Sets some of the captions' look. @param {Partial<CaptionPrefs>} patch */
export function setCaptions(patch) {
  setPrefs({ captions: { ...prefs().captions, ...patch } });
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(key()) ?? '{}');
  } catch {
    return {};
  }
}

/** Shows the page in the chosen theme. */
export function applyTheme() {
  document.documentElement.dataset.theme = prefs().theme;
}
