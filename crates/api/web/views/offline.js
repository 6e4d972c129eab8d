// Why: what is shown while the server can't be reached, so that nobody takes that for being logged out
// or for an empty page. It goes away by itself.

import { fill, h } from '../lib/dom.js';
import { problemText } from '../lib/form.js';
import { t } from '../lib/i18n.js';
import { HURRY } from '../lib/retry.js';

const hurry = () => dispatchEvent(new Event(HURRY));

/**
 * Says why nothing can be shown; said again, it keeps the button and the focus on it.
 *
 * @param {Element} place
 * @param {import('../lib/api.js').Problem} problem
 * @param {() => void} [again] what trying at once means
 */
export function sayOffline(place, problem, again = hurry) {
  const text = problemText(problem);
  const said = place.querySelector('.offline [role="status"]');
  if (said?.textContent === text) return;
  if (said) return fill(said, text);
  fill(place, h('section', { class: 'page narrow offline' },
    h('h1', null, t('offline.title')), h('p', { role: 'status' }, text), h('p', { class: 'soft' }, t('offline.text')),
    h('p', null, h('button', { class: 'primary', onclick: again }, t('offline.now')))));
}
