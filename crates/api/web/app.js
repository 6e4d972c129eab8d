// Why: starts the page: language, theme, who we are, and then the view of the address. Views that
// few people open at first are loaded when they are opened.

import { announce } from './lib/announce.js';
import { Problem } from './lib/api.js';
import { fill, h } from './lib/dom.js';
import { load, t } from './lib/i18n.js';
import { applyTheme, changes } from './lib/prefs.js';
import { patiently } from './lib/retry.js';
import { go, match, onNavigate } from './lib/router.js';
import { forget, restore, session } from './lib/session.js';
import { bottom, top } from './views/frame.js';
import { sayOffline } from './views/offline.js';

/** @type {import('./lib/router.js').Route[]} */
const ROUTES = [
  { pattern: /^\/$/, view: async () => (await import('./views/home.js')).home },
  { pattern: /^\/login$/, view: async () => (await import('./views/login.js')).login },
  { pattern: /^\/register$/, view: async () => (await import('./views/login.js')).registration },
  { pattern: /^\/reset$/, view: async () => (await import('./views/reset.js')).ask },
  { pattern: /^\/reset\/(?<secret>[^/]+)$/, view: async () => (await import('./views/reset.js')).set },
  { pattern: /^\/setup$/, view: async () => (await import('./views/login.js')).setup },
  { pattern: /^\/rooms\/(?<code>[^/]+)$/, view: async () => (await import('./views/room.js')).room },
  { pattern: /^\/account$/, who: 'member', view: async () => (await import('./views/account.js')).account },
  { pattern: /^\/admin$/, who: 'admin', view: async () => (await import('./views/admin.js')).admin },
];

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
let shown = 0;

/** Where one logs in to come back here. @param {string} [more] */
const door = (more = '') => `/login?next=${encodeURIComponent(location.pathname)}${more}`;

/** Shows the view of the address; a newer address wins over one still loading. */
async function show() {
  shown += 1;
  const turn = shown;
  const found = match(ROUTES);
  const who = found?.route.who;
  if (who && !session.me) return go(door(), { replace: true });
  const refused = !found || (who === 'admin' && !session.me?.is_admin);
  const make = refused ? lost : await found.route.view().catch((/** @type {unknown} */ fault) => fault);
  if (turn !== shown) return undefined;
  if (typeof make !== 'function') return cutOff(turn);
  const view = make(found?.params);
  frame();
  fill(main, view);
  // The first view leaves the focus at the top, where the way past the header is.
  if (turn > 1) main.focus({ preventScroll: true });
  scrollTo(0, 0);
  const title = view.querySelector('h1')?.textContent;
  document.title = title ? `${title} · Signcall` : 'Signcall';
  if (title) announce(title);
  return undefined;
}

/**
 * Says that a part of the page can't be loaded. A browser may remember that for as long as the page
 * stands, so the page is loaded anew once the server is back.
 *
 * @param {number} turn
 */
async function cutOff(turn) {
  let away = false;
  const say = (/** @type {Problem} */ problem) => turn === shown && sayOffline(main, problem, () => location.reload());
  const told = (/** @type {Problem} */ problem) => {
    away = true;
    say(problem);
  };
  await patiently(answers, { told });
  // A server that was there all along would only be asked for the same again.
  if (away && turn === shown) location.reload();
  else say(new Problem(0, null));
}

/** Whether the server is there at all. */
async function answers() {
  const answer = await fetch('/livez', { cache: 'no-store' }).catch(() => null);
  if (!answer?.ok) throw new Problem(answer?.status ?? 0, null);
}

function lost() {
  return h('section', { class: 'page narrow' }, h('h1', null, t('lost.title')), h('p', null, t('lost.text')),
    h('p', null, h('a', { href: '/', class: 'button' }, t('lost.home'))));
}

function frame() {
  const skip = document.getElementById('skip');
  if (skip) skip.textContent = t('skip');
  fill(/** @type {Element} */ (document.getElementById('top')), top());
  fill(/** @type {Element} */ (document.getElementById('bottom')), bottom(relanguage));
}

/** @param {string} language */
async function relanguage(language) {
  await patiently(() => load(language));
  await show();
}

/** Nobody is logged in any more; views for members alone ask to log in again. */
function ended() {
  if (!session.me) return;
  forget();
  if (match(ROUTES)?.route.who) go(door('&ended'), { replace: true });
}

/** Somebody logged in or out in another tab. In a call, its connection says what that means. */
async function elsewhere() {
  const before = session.me?.id;
  if (document.querySelector('sc-in-call')) return;
  await restore().catch(() => null);
  if (session.me?.id !== before) await show();
}

/** What is said before any message has come. */
const speechless = () => fill(main, h('p', { class: 'page', role: 'status', lang: 'en' }, 'The server can’t be reached. Trying again …'));

/** @param {Problem} problem */
function unreached(problem) {
  frame();
  sayOffline(main, problem);
  document.title = `${t('offline.title')} · Signcall`;
}

async function start() {
  applyTheme();
  const messages = patiently(() => load(), { told: speechless });
  const who = patiently(restore, { told: (problem) => messages.then(() => session.known || unreached(problem)) });
  await Promise.all([messages, who]);
  applyTheme();
  changes.addEventListener('change', applyTheme);
  session.addEventListener('change', frame);
  session.addEventListener('elsewhere', elsewhere);
  addEventListener('signcall:unauthorized', ended);
  onNavigate(show);
  await show();
}

await start();
