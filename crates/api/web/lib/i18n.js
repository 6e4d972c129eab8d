// Why: every word on the page comes from a message file, so that the page speaks the reader's
// language and a translator needs no code.

import { Problem } from './api.js';

const KEY = 'signcall.language';

/** Languages there are message files for, with their own names. */
export const LANGUAGES = /** @type {const} */ ({ en: 'English', de: 'Deutsch' });

/** @type {Record<string, string>} */
let messages = {};
let language = 'en';
let plural = new Intl.PluralRules('en');

/** The language now shown. */
export const current = () => language;

/** The reader's choice, else what the browser asks for, else English. */
function preferred() {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages];
  for (const tag of wanted) {
    const base = tag?.split('-')[0];
    if (base && base in LANGUAGES) return base;
  }
  return 'en';
}

/**
 * Loads a language's messages and sets the page's `lang`; throws a `Problem` where they don't come.
 *
 * @param {string} [wanted] kept for the next visit when given
 */
export async function load(wanted) {
  const next = wanted ?? preferred();
  const answer = await fetch(`/assets/i18n/${next}.json`).catch(() => null);
  if (!answer?.ok) throw new Problem(answer?.status ?? 0, null);
  messages = await answer.json();
  if (wanted) localStorage.setItem(KEY, wanted);
  language = next;
  plural = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}

/**
 * The message of that name; `{name}` is replaced by the parameter, and with a parameter `n` the
 * plural form `key.one`, `key.other`, … is taken where there is one.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [params]
 */
export function t(key, params = {}) {
  const form = typeof params.n === 'number' ? `${key}.${plural.select(params.n)}` : key;
  const text = messages[form] ?? messages[key] ?? messages[`${key}.other`] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(params[name] ?? whole));
}

/** Whether there is a message of that name. @param {string} key */
export const has = (key) => key in messages;
