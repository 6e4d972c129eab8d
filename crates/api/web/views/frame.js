// Why: what every view but the room has above and below it: where one is, who one is, which
// language and theme.

import { attempt } from '../lib/dialog.js';
import { h } from '../lib/dom.js';
import { LANGUAGES, current, t } from '../lib/i18n.js';
import { prefs, setPrefs } from '../lib/prefs.js';
import { go } from '../lib/router.js';
import { logOut, session } from '../lib/session.js';

const THEMES = ['auto', 'light', 'dark'];

/** The bar above. */
export function top() {
  const me = session.me;
  const links = !session.known ? [] : me && !me.is_guest
    ? [me.is_admin ? link('/admin', t('nav.admin')) : null, link('/account', me.username), leave()]
    : [link('/login', t('nav.login')), link('/register', t('nav.register'))];
  return [
    h('a', { href: '/', class: 'brand' }, mark(), h('span', null, 'Signcall')),
    h('nav', { 'aria-label': t('nav.label') }, links),
  ];
}

/** The line below. @param {(language: string) => void} relanguage */
export const bottom = (relanguage) => [
  h('span', null, t('footer.own')),
  h('a', { href: '/docs' }, t('footer.api')),
  h('div', { class: 'row choices' }, languages(relanguage), themes()),
];

function mark() {
  return h('img', { src: '/assets/img/icon.svg', alt: '', width: 32, height: 32 });
}

/** @param {string} href @param {string} text */
const link = (href, text) => h('a', { href, 'aria-current': location.pathname === href ? 'page' : null }, text);

const leave = () =>
  h('button', { class: 'quiet', onclick: () => attempt(t('nav.logout'), async () => { await logOut(); go('/'); }) }, t('nav.logout'));

/** @param {(language: string) => void} relanguage */
function languages(relanguage) {
  const change = (/** @type {Event} */ e) => relanguage(/** @type {HTMLSelectElement} */ (e.target).value);
  return h('select', { 'aria-label': t('nav.language'), onchange: change },
    Object.entries(LANGUAGES).map(([value, name]) => h('option', { value, lang: value, selected: value === current() }, name)));
}

function themes() {
  const change = (/** @type {Event} */ e) => setPrefs({ theme: /** @type {HTMLSelectElement} */ (e.target).value });
  return h('select', { 'aria-label': t('nav.theme'), onchange: change },
    THEMES.map((value) => h('option', { value, selected: value === prefs().theme }, t(`theme.${value}`))));
}
