// Why: questions and settings in the browser's own modal dialog, which holds the focus, closes with
// Escape and gives the focus back where it was.

import { Problem } from './api.js';
import { fill, h, uid } from './dom.js';
import { problemText } from './form.js';
import { t } from './i18n.js';
import { icon } from './icons.js';

/**
 * Opens a dialog; it is gone from the page once closed.
 *
 * @param {string} title
 * @param {(close: (value?: any) => void) => import('./dom.js').Child} content
 * @param {{wide?: boolean}} [how]
 * @returns {Promise<any>} what it was closed with; undefined for Escape and the close button
 */
export function open(title, content, how = {}) {
  return new Promise((done) => {
    const id = uid('dialog');
    /** @type {any} */
    let result;
    const close = (/** @type {any} */ value = undefined) => {
      result = value;
      dialog.close();
    };
    const shut = h('button', { class: 'quiet icon-only', type: 'button', onclick: () => close(), 'aria-label': t('close') }, icon('close'));
    const dialog = h('dialog', { class: how.wide ? 'wide' : '', 'aria-labelledby': id },
      h('header', null, h('h2', { id }, title), shut), h('div', { class: 'content' }, content(close)));
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Asks before something that can't be undone, and does it while the dialog is still open, so that a
 * refusal is shown where the question was.
 *
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {string} question.yes the button's text, a verb
 * @param {boolean} [question.danger]
 * @param {import('./dom.js').Child} [question.fields] inputs shown above the buttons
 * @param {(data: FormData) => Promise<unknown>} question.action
 * @returns {Promise<boolean>} whether it was done
 */
export async function ask(question) {
  const done = await open(question.title, (close) => {
    const fault = h('p', { class: 'fault', role: 'alert' });
    const yes = h('button', { class: question.danger ? 'danger' : 'primary' }, question.yes);
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      yes.disabled = true;
      try {
        await question.action(new FormData(/** @type {HTMLFormElement} */ (event.target)));
        close(true);
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        fill(fault, problemText(problem));
        yes.disabled = false;
      }
    };
    const no = h('button', { type: 'button', onclick: () => close(false) }, t('cancel'));
    return h('form', { onsubmit: submit }, h('p', null, question.text), question.fields, fault,
      h('div', { class: 'row end' }, no, yes));
  });
  return done === true;
}

/**
 * Does what a button asks for, and says in a dialog why it could not be done.
 *
 * @param {string} title of the button
 * @param {() => Promise<unknown>} action
 */
export async function attempt(title, action) {
  try {
    await action();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    await open(title, () => h('p', { class: 'fault', role: 'alert' }, problemText(problem)));
  }
}
