// Why: captions are read by people with different eyes in different light; everything about their
// look can be set, is seen at once, is kept, and is warned of where it would be hard to read.

import { fill, h } from '../lib/dom.js';
import { ENOUGH, contrast } from '../lib/colour.js';
import { open } from '../lib/dialog.js';
import { choice, field, tick } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { CAPTIONS, prefs, setCaptions } from '../lib/prefs.js';
import { captions } from './captions.js';

const SIZES = [75, 100, 150, 200, 300];
const FONTS = ['sans', 'serif', 'mono', 'rounded'];
const POSITIONS = ['below', 'over', 'top'];
const FOREVER = Number.MAX_SAFE_INTEGER;

/** Opens the settings; they act while they are changed. */
export function captionSettings() {
  return open(t('captions.settings'), () => {
    const warning = h('p', { class: 'warning', role: 'status' });
    const content = h('div', { class: 'caption-settings' });
    /** @param {Partial<import('../lib/prefs.js').CaptionPrefs>} patch */
    const set = (patch) => {
      setCaptions(patch);
      warn(warning);
    };
    const draw = () => fill(content, preview(), warning, fields(set), presets((patch) => {
      set(patch);
      draw();
    }));
    draw();
    warn(warning);
    return content;
  }, { wide: true });
}

/** @param {Element} place */
function warn(place) {
  const set = prefs().captions;
  const ratio = contrast(set.text, set.background, set.opacity);
  fill(place, ratio < ENOUGH ? t('captions.contrast', { ratio: ratio.toFixed(1) }) : null);
}

function preview() {
  const word = (/** @type {number} */ n, confidence = 0.95) => ({ id: String(n), text: t(`captions.example.${n}`), confidence });
  const line = { user: null, words: [word(1), word(2, 0.4), word(3)], until: FOREVER, last: 0 };
  return h('div', { class: 'caption-preview' }, captions({ example: [line] }));
}

/** @param {(patch: Partial<import('../lib/prefs.js').CaptionPrefs>) => void} set */
function fields(set) {
  const now = prefs().captions;
  const of = (/** @type {Event} */ e) => /** @type {HTMLInputElement} */ (e.target);
  const menu = (/** @type {string[]} */ values, /** @type {string} */ name) =>
    /** @type {[string, string][]} */ (values.map((value) => [value, t(`captions.${name}.${value}`)]));
  const range = (/** @type {'opacity' | 'lines' | 'threshold'} */ name, /** @type {number[]} */ [min, max, step, scale], /** @type {(n: number) => string} */ text) => {
    const output = h('output', null, text(now[name]));
    const input = field(name, t(`captions.${name}`), { type: 'range', min, max, step, value: now[name] * scale,
      oninput: (/** @type {Event} */ e) => {
        const value = Number(of(e).value) / scale;
        fill(output, text(value));
        set({ [name]: value });
      } });
    input.querySelector('label')?.append(' ', output);
    return input;
  };
  return h('div', { class: 'grid' },
    sizes(set),
    choice('font', t('captions.font'), menu(FONTS, 'font'), { chosen: now.font, onchange: (/** @type {Event} */ e) => set({ font: of(e).value }) }),
    choice('position', t('captions.position'), menu(POSITIONS, 'position'), { chosen: now.position, onchange: (/** @type {Event} */ e) => set({ position: of(e).value }) }),
    field('text', t('captions.text'), { type: 'color', value: now.text, oninput: (/** @type {Event} */ e) => set({ text: of(e).value }) }),
    field('background', t('captions.background'), { type: 'color', value: now.background, oninput: (/** @type {Event} */ e) => set({ background: of(e).value }) }),
    range('opacity', [0, 100, 5, 1], (n) => `${n} %`),
    range('lines', [1, 6, 1, 1], (n) => String(n)),
    range('threshold', [0, 95, 5, 100], (n) => (n === 0 ? t('captions.threshold.off') : `${Math.round(n * 100)} %`)),
    h('div', { class: 'ticks' },
      tick('partials', t('captions.partials'), { checked: now.partials, hint: t('captions.partials.hint'), onchange: (/** @type {Event} */ e) => set({ partials: of(e).checked }) }),
      tick('announce', t('captions.announce'), { checked: now.announce, hint: t('captions.announce.hint'), onchange: (/** @type {Event} */ e) => set({ announce: of(e).checked }) })));
}

/** @param {(patch: Partial<import('../lib/prefs.js').CaptionPrefs>) => void} set */
function sizes(set) {
  const now = prefs().captions.size;
  return h('fieldset', { class: 'sizes' }, h('legend', null, t('captions.size')), h('div', { class: 'row' },
    SIZES.map((size) => h('label', { class: 'step' },
      h('input', { type: 'radio', name: 'size', value: String(size), checked: size === now, onchange: () => set({ size }) }),
      h('span', null, `${size} %`)))));
}

/** @param {(patch: Partial<import('../lib/prefs.js').CaptionPrefs>) => void} set */
function presets(set) {
  const plain = { text: '#ffffff', background: '#000000', opacity: 100 };
  const one = (/** @type {string} */ name, /** @type {Partial<import('../lib/prefs.js').CaptionPrefs>} */ patch) =>
    h('button', { type: 'button', class: 'small', onclick: () => set(patch) }, t(`captions.preset.${name}`));
  return h('div', { class: 'row' },
    one('plain', plain), one('yellow', { ...plain, text: '#ffe94d' }),
    one('paper', { text: '#1b1b1b', background: '#fdf6e3', opacity: 100 }), one('standard', { ...CAPTIONS }));
}
