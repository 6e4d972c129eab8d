// Why: recorded signing (`.pose` files) can be dropped into a call and is captioned like live signing.

import { h } from '../lib/dom.js';
import { Problem, api, path, randomKey } from '../lib/api.js';
import { problemText } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';

/** Most bytes the server takes. */
const BYTES_MAX = 8 * 1024 * 1024;

/**
 * Sends files, one after the other, and says what became of each.
 *
 * @param {string} code the room's
 * @param {Iterable<File>} files
 * @param {(text: string, wrong: boolean) => void} say
 */
export async function sendPoses(code, files, say) {
  for (const file of files) {
    if (file.size > BYTES_MAX) {
      say(t('pose.big', { name: file.name }), true);
      continue;
    }
    say(t('pose.sending', { name: file.name }), false);
    try {
      const answer = await api('POST', path`/rooms/${code}/frames`, { body: file, type: 'application/x-pose', key: randomKey() });
      say(t('pose.sent', { name: file.name, n: answer?.accepted ?? 0 }), false);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      say(`${file.name}: ${problem.errors[0]?.detail ?? problemText(problem)}`, true);
    }
  }
}

/** The place to drop files on, which is also a button for choosing them. @param {(files: Iterable<File>) => void} take */
export function dropPlace(take) {
  const input = h('input', { type: 'file', accept: '.pose', multiple: true, class: 'unseen', tabindex: '-1', onchange: () => take([...(input.files ?? [])]) });
  const zone = h('div', { class: 'drop' }, icon('upload'), h('p', null, t('pose.drop')),
    h('button', { type: 'button', class: 'small', onclick: () => input.click() }, t('pose.choose')), input);
  zone.addEventListener('dragover', (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    zone.classList.add('over');
  });
  zone.addEventListener('dragleave', () => zone.classList.remove('over'));
  zone.addEventListener('drop', (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    zone.classList.remove('over');
    take([...(event.dataTransfer?.files ?? [])]);
  });
  return zone;
}
