// Why: starts the page: language, theme, who we are, and then the view of the address. Views that
// few people open at first are loaded when they are opened.

import { announce } from './lib/announce.js';
import { fill, h } from './lib/dom.js';
import { load, t } from './lib/i18n.js';
import { applyTheme, changes } from './lib/prefs.js';
import { go, match, onNavigate } from './lib/router.js';
import { forget, restore, session } from './lib/session.js';
import { bottom, top } from './views/frame.js';

/** @type {import('./lib/router.js').Route[]} */
const ROUTES = [
  { pattern: /^\/$/, view: async () => (await import('./views/home.js')).home() },
  { pattern: /^\/login$/, view: async () => (await import('./views/login.js')).login() },
  { pattern: /^\/register$/, view: async () => (await import('./views/login.js')).registration() },
  { pattern: /^\/reset$/, view: async () => (await import('./views/reset.js')).ask() },
  { pattern: /^\/reset\/(?<secret>[^/]+)$/, view: async (p) => (await import('./views/reset.js')).set(p.secret) },
  { pattern: /^\/setup$/, view: async () => (await import('./views/login.js')).setup() },
  { pattern: /^\/rooms\/(?<code>[^/]+)$/, view: async (p) => (await import('./views/room.js')).room({ code: p.code }) },
  { pattern: /^\/account$/, who: 'member', view: async () => (await import('./views/account.js')).account() },
  { pattern: /^\/admin$/, who: 'admin', view: async () => (await import('./views/admin.js')).admin() },
];

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
let shown = 0;

/** Shows the view of the address; a newer address wins over one still loading. */
async function show() {
  shown += 1;
  const turn = shown;
  const found = match(ROUTES);
  const who = found?.route.who;
  if (who && !session.me) return go(`/login?next=${encodeURIComponent(location.pathname)}`, { replace: true });
  const refused = !found || (who === 'admin' && !session.me?.is_admin);
  const view = refused ? lost() : await found.route.view(found.params);
  if (turn !== shown) return undefined;
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
  await load(language);
  await show();
}

async function start() {
  applyTheme();
  await Promise.all([load(), restore()]);
  applyTheme();
  changes.addEventListener('change', applyTheme);
  session.addEventListener('change', frame);
  addEventListener('signcall:unauthorized', () => session.me && forget());
  onNavigate(show);
  await show();
}

await start();
