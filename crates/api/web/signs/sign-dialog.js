// Why: consent in plain words: what would leave the device, who sees what, what is kept, and which
// signs the models know. Everything is off until somebody switches it on here.

import { fill, h, uid } from '../lib/dom.js';
import { Problem } from '../lib/api.js';
import { open } from '../lib/dialog.js';
import { choice, problemText, tick } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { installed } from './landmarker.js';
import { dropPlace, sendPoses } from './pose-drop.js';

/** @typedef {import('./signing.js').Way} Way */

/** Opens the settings of one's own captions. @param {import('./signing.js').Signing} signing */
export async function signDialog(signing) {
  const version = await installed();
  await open(t('sign.title'), (close) => {
    const content = h('div', { class: 'stack' });
    const redraw = () => fill(content, signing.on ? running(signing, redraw) : consent(signing, version, redraw, close));
    redraw();
    return content;
  });
}

/**
 * @param {import('./signing.js').Signing} signing
 * @param {object | null} version of the landmarker
 * @param {() => void} redraw
 * @param {() => void} close
 */
function consent(signing, version, redraw, close) {
  const fault = h('p', { class: 'fault', role: 'alert' });
  const leaves = h('p', { class: 'leaves' });
  let way = /** @type {Way} */ (signing.way === 'landmarks' && !version ? 'images' : signing.way);
  const pick = (/** @type {Way} */ one) => {
    way = one;
    fill(leaves, t(`sign.leaves.${one}`));
  };
  const option = (/** @type {Way} */ one, disabled = false) => {
    const id = uid('way');
    return h('div', { class: 'tick' },
      h('input', { type: 'radio', name: 'way', id, value: one, checked: one === way, disabled, 'aria-describedby': `${id}-hint`, onchange: () => pick(one) }),
      h('label', { for: id }, t(`sign.way.${one}`)),
      h('p', { class: 'hint', id: `${id}-hint` }, disabled ? t('sign.missing') : t(`sign.way.${one}.hint`)));
  };
  const keep = tick('keep', t('sign.keep'), { hint: t('sign.keep.hint') });
  const start = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      if (way !== 'files' && !signing.media.video) await signing.media.set('video', true);
      await signing.start(way, keep.querySelector('input').checked);
      if (way === 'files') redraw();
      else close();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(fault, problemText(problem));
    }
    button.disabled = false;
  };
  const button = h('button', { class: 'primary' }, t('sign.start'));
  pick(way);
  return h('form', { onsubmit: start },
    h('p', null, t('sign.text')),
    h('fieldset', null, h('legend', null, t('sign.way')), option('images'), option('landmarks', !version), option('files')),
    leaves, keep, fault, button);
}

/** @param {import('./signing.js').Signing} signing @param {() => void} redraw */
function running(signing, redraw) {
  const log = h('ul', { class: 'sent-files', 'aria-live': 'polite' });
  const say = (/** @type {string} */ text, /** @type {boolean} */ wrong) => log.append(h('li', { class: wrong ? 'fault' : '' }, text));
  const sides = /** @type {[string, string][]} */ (['right', 'middle', 'left'].map((one) => [one, t(`sign.side.${one}`)]));
  const side = choice('side', t('sign.side'), sides, { chosen: signing.side,
    onchange: (/** @type {any} */ e) => { signing.side = e.target.value; signing.changed(); } });
  const stop = async () => {
    await signing.stop().catch(() => null);
    redraw();
  };
  return [
    h('p', null, t(`sign.leaves.${signing.way}`)),
    signing.way === 'images' ? side : null,
    signing.way === 'files' ? [dropPlace((files) => sendPoses(signing.call, files, say)), log] : null,
    h('button', { class: 'danger-quiet', onclick: stop }, t('sign.stop')),
  ];
}
