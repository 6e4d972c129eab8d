// Why: forms behave the same everywhere: labels, hints and faults tied to their field, every fault
// of one answer shown at once, the first wrong field focused, nothing typed lost.

import { Problem } from './api.js';
import { fill, h, uid } from './dom.js';
import { has, t } from './i18n.js';

const UNAUTHORIZED = 401;
const UNAVAILABLE = [502, 503, 504];

/** The message for a problem: of its code, else of its kind. @param {Problem} problem */
function messageOf({ code, status }) {
  if (has(`problem.${code}`)) return `problem.${code}`;
  if (status === UNAUTHORIZED) return 'problem.logged_out';
  return UNAVAILABLE.includes(status) ? 'problem.busy' : null;
}

/** What a problem says, in the reader's language where the page knows it. @param {Problem} problem */
export function problemText(problem) {
  const key = messageOf(problem);
  const text = key ? t(key) : problem.message;
  return problem.retryAfter ? `${text} ${t('problem.retry', { n: problem.retryAfter })}` : text;
}

/**
 * A labelled input with room for a hint and for what is wrong with it.
 *
 * @param {string} name the field of the request it fills
 * @param {string} label
 * @param {Record<string, any>} [props] of the input; `hint` is shown below the label
 */
export function field(name, label, props = {}) {
  const { hint, tag = 'input', ...rest } = props;
  const id = uid(name);
  const hintId = hint ? `${id}-hint` : null;
  const describedby = [hintId, `${id}-fault`].filter(Boolean).join(' ');
  const input = h(tag, { id, name, 'aria-describedby': describedby, ...rest });
  return h('div', { class: 'field', data: { field: name } },
    h('label', { for: id }, label),
    hint ? h('p', { class: 'hint', id: hintId }, hint) : null,
    input,
    h('p', { class: 'fault', id: `${id}-fault` }));
}

/** A tick box with its label. @param {string} name @param {string} label @param {Record<string, any>} [props] */
export function tick(name, label, props = {}) {
  const { hint, ...rest } = props;
  const id = uid(name);
  const hintId = hint ? `${id}-hint` : null;
  return h('div', { class: 'tick' },
    h('input', { type: 'checkbox', id, name, 'aria-describedby': hintId, ...rest }),
    h('label', { for: id }, label),
    hint ? h('p', { class: 'hint', id: hintId }, hint) : null);
}

/** A labelled menu. @param {string} name @param {string} label @param {[string, string][]} options value and text @param {Record<string, any>} [props] */
export function choice(name, label, options, props = {}) {
  const { chosen, ...rest } = props;
  const id = uid(name);
  const select = h('select', { id, name, ...rest },
    options.map(([value, text]) => h('option', { value, selected: value === chosen }, text)));
  return h('div', { class: 'field', data: { field: name } }, h('label', { for: id }, label), select);
}

/**
 * A form that sends its fields and shows what came back.
 *
 * @param {object} parts
 * @param {import('./dom.js').Child} parts.fields
 * @param {string} parts.button
 * @param {(data: Record<string, string>) => Promise<unknown>} parts.send
 * @param {import('./dom.js').Child} [parts.after] below the button
 * @param {string | null} [parts.wrong] what is wrong from the first
 */
export function form(parts) {
  const fault = h('p', { class: 'fault', role: 'alert' }, parts.wrong);
  const button = h('button', { class: 'primary' }, parts.button);
  const element = h('form', { novalidate: true, onsubmit: submit }, parts.fields, fault, button, parts.after);

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    clear(element, fault);
    if (missing(element)) return;
    button.disabled = true;
    try {
      const data = /** @type {any} */ (Object.fromEntries(new FormData(element)));
      await parts.send(data);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      show(element, fault, problem);
    } finally {
      button.disabled = false;
    }
  }
  return element;
}

/** @param {HTMLFormElement} element @param {Element} fault */
function clear(element, fault) {
  fill(fault);
  for (const wrong of element.querySelectorAll('[aria-invalid]')) wrong.removeAttribute('aria-invalid');
  for (const text of element.querySelectorAll('.field > .fault')) fill(text);
}

/** Marks required fields that are empty; says whether there are any. @param {HTMLFormElement} element */
function missing(element) {
  const empty = [...element.querySelectorAll('input[required], textarea[required]')].filter(
    (input) => !(/** @type {HTMLInputElement} */ (input).value.trim()));
  for (const input of empty) mark(input, t('form.required'));
  /** @type {HTMLElement | undefined} */ (empty[0])?.focus();
  return empty.length > 0;
}

/** @param {Element} input @param {string} text @param {string} [lang] of the text, if it is not the page's */
function mark(input, text, lang) {
  input.setAttribute('aria-invalid', 'true');
  const place = input.closest('.field')?.querySelector('.fault');
  if (place) place.append(h('span', { lang }, text));
}

/** @param {HTMLFormElement} element @param {Element} fault @param {Problem} problem */
function show(element, fault, problem) {
  let focused = false;
  for (const error of problem.errors) {
    const name = (error.field ?? error.pointer ?? '').replace(/^#?\//, '');
    const input = name && element.querySelector(`[name="${CSS.escape(name)}"]`);
    const text = error.detail ?? error.message ?? error.code ?? '';
    if (!input) {
      fault.append(h('span', { lang: 'en' }, text));
      continue;
    }
    // The server speaks of single fields in English alone.
    mark(input, text, 'en');
    if (!focused) /** @type {HTMLElement} */ (input).focus();
    focused = true;
  }
  if (!focused && !fault.textContent) fill(fault, problemText(problem));
}
