// Why: recorded signing (`.pose` files) can be dropped into a call and is captioned like live signing.

import { h } from '../lib/dom.js';
import { Problem, api, path, randomKey } from '../lib/api.js';
import { problemText } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { icon } from '../lib/icons.js';

/** Most bytes the server takes. */
const BYTES_MAX = 8 * 1024 * 1024;
/** How long a file's captions are waited for before the next file goes out. */
const DONE_MS = 15_000;

/**
 * Sends files and says what became of each. The next one goes out when the captions of the one
 * before are written, so they come in the order of the files.
 *
 * @param {import('../call/call.js').Call} call
 * @param {Iterable<File>} files
 * @param {(text: string, wrong: boolean) => void} say
 */
export async function sendPoses(call, files, say) {
  for (const file of files) {
    if (file.size > BYTES_MAX) {
      say(t('pose.big', { name: file.name }), true);
      continue;
    }
    say(t('pose.sending', { name: file.name }), false);
    try {
      const answer = await api('POST', path`/rooms/${call.code}/frames`, { body: file, type: 'application/x-pose', key: randomKey() });
      say(t('pose.sent', { name: file.name, n: answer.accepted }), false);
      await done(call, answer);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      say(`${file.name}: ${problem.errors[0]?.detail ?? problemText(problem)}`, true);
    }
  }
}

/** Waits until the captions of a stream are written. @param {import('../call/call.js').Call} call @param {{stream: string, last_seq: number}} sent */
function done(call, { stream, last_seq: last }) {
  return new Promise((resolve) => {
    const look = () => {
      if ((call.done.get(stream) ?? 0) > last) finish();
    };
    const timer = setTimeout(finish, DONE_MS);
    function finish() {
      clearTimeout(timer);
      call.removeEventListener('done', look);
      resolve(null);
    }
    call.addEventListener('done', look);
    look();
  });
}

/** The place to drop files on, which is also a button for choosing them. @param {(files: Iterable<File>) => void} take */
export function dropPlace(take) {
  const input = h('input', { type: 'file', accept: '.pose', multiple: true, hidden: true, onchange: () => take([...(input.files ?? [])]) });
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
