// Why: lists that grow at the end follow what is new until the reader scrolls up; then they stay
// where they are, count what came, and offer the way down.

import { Problem } from '../lib/api.js';
import { fill, h, soon } from '../lib/dom.js';
import { problemText } from '../lib/form.js';
import { t } from '../lib/i18n.js';

/** Closer to the end than this counts as being at the end. */
const NEAR_PX = 48;

/**
 * A scrolling list.
 *
 * @param {string} label what a screen reader calls it
 * @param {() => Promise<unknown>} loadEarlier puts the rows before the first one in
 */
export function follower(label, loadEarlier) {
  let unread = 0;
  let sticking = true;
  const items = h('ol', { class: 'items' });
  const earlier = h('button', { class: 'small quiet earlier', hidden: true, onclick: () => goBack() }, t('panel.earlier'));
  const fault = h('p', { class: 'fault', role: 'alert' });
  const box = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, earlier, fault, items);
  const button = h('button', { class: 'small new', hidden: true, onclick: () => down() });
  const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;

  /** Loads what is above, and keeps in view what was in view. */
  async function goBack() {
    const below = box.scrollHeight - box.scrollTop;
    earlier.disabled = true;
    fill(fault);
    try {
      await loadEarlier();
      box.scrollTop = box.scrollHeight - below;
      // The button may have gone with the last page, and the focus with it.
      if (earlier.hidden) box.focus();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      fill(fault, problemText(problem));
    } finally {
      earlier.disabled = false;
    }
  }

  function down() {
    sticking = true;
    unread = 0;
    button.hidden = true;
    box.scrollTop = box.scrollHeight;
  }
  const downSoon = soon(down);
  box.addEventListener('scroll', () => {
    sticking = atEnd();
    if (sticking && unread) down();
  });
  new ResizeObserver(() => sticking && down()).observe(box);

  return {
    element: h('div', { class: 'follow' }, box, button),
    items,
    down,
    /** Whether there is more above. @param {boolean} more */
    more(more) {
      earlier.hidden = !more;
    },
    /** To be called after something was added. @param {boolean} counts whether it is news */
    grew(counts) {
      if (sticking) downSoon();
      else if (counts) {
        unread += 1;
        button.hidden = false;
        fill(button, t('panel.new', { n: unread }));
      }
    },
  };
}

/** What stands where no rows are: that there are none, or that they are not here yet. @param {import('./call.js').Call} call @param {string} empty name of a message */
export const blankText = (call, empty) => (call.complete ? t(empty) : call.missing ? t('room.missing') : t('loading'));

/** Takes a row away that is not kept any more. @param {Map<number, HTMLElement>} shown @param {number} id */
export function displace(shown, id) {
  shown.get(id)?.remove();
  shown.delete(id);
}

/**
 * Keeps a list of rows in the order of their ids; almost always the new one is the last.
 *
 * @param {HTMLElement} items
 * @param {HTMLElement} element with `data-id`
 * @param {Map<number, HTMLElement>} shown
 */
export function place(items, element, shown) {
  const id = Number(element.dataset.id);
  const old = shown.get(id);
  shown.set(id, element);
  if (old) return old.replaceWith(element);
  let after = items.lastElementChild;
  while (after && Number(/** @type {HTMLElement} */ (after).dataset.id) > id) after = after.previousElementSibling;
  if (after) after.after(element);
  else items.prepend(element);
  return undefined;
}
