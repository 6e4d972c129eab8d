// Why: every view of the page, each with the way to it and something in it, for whoever looks at all
// of them: the accessibility test and the screenshots.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openPage } from './browser.js';
import { SIGN, pretendLandmarker, unknownSign } from './pretend.js';
import { realData } from './server.js';
import { ask, dropFiles, enter, inCall, newRoom, panel, register, setUp, signFiles, texts, until } from './steps.js';

/** What is said and signed, so that lists are not empty. */
const CHAT = [['ann', 'Shall we order? I am on the terrace.'], ['ben', 'Yes, two minutes. Is there oat milk?'], ['ann', 'There is. I will sign the order, please read along.']];
const WORDS = ['hello', 'small', 'coffee', 'please'];
/** Learning a sign takes seconds of a core that others use too. */
const LONG_MS = 120_000;

/**
 * The people and rooms that the views show.
 *
 * @typedef {object} World
 * @property {import('playwright-core').Page} ann owner of the room, with a camera
 * @property {import('playwright-core').Page} ben in the call
 * @property {import('playwright-core').Page} root the administrator
 * @property {import('playwright-core').Page} nobody who is not logged in
 * @property {string} code of the room
 * @property {{watch: import('./browser.js').Watch, context: import('playwright-core').BrowserContext}[]} all
 */

/**
 * Fills a server with people, a call, a chat and captions.
 *
 * @param {import('./server.js').startServer extends (...a: any) => Promise<infer S> ? S : never} server
 * @param {{ann: import('playwright-core').Browser, ben: import('playwright-core').Browser}} browsers
 * @param {import('playwright-core').BrowserContextOptions} [options]
 * @returns {Promise<World>}
 */
export async function makeWorld(server, browsers, options = {}) {
  const all = await Promise.all([browsers.ann, browsers.ben, browsers.ben, browsers.ben].map((one) => openPage(one, server.url, options)));
  const [ann, ben, root, nobody] = all.map((one) => one.page);
  await Promise.all([register(ann, 'ann'), register(ben, 'ben'), setUp(root, server.secret(), 'root')]);
  const code = await newRoom(ann);
  await ask(ann, 'PATCH', `/rooms/${code}`, { guests: true });
  await enter(ann, code);
  await enter(ben, code);
  for (const [who, text] of CHAT) await ask(who === 'ann' ? ann : ben, 'POST', `/rooms/${code}/messages`, { msg_content: text });
  await ask(ben, 'POST', `/rooms/${code}/transcripts`, { ts_content: 'What would you like?' });
  await recorded(ann);
  return { ann, ben, root, nobody, code, all };
}

/** Signs real clips, where there are some. @param {import('playwright-core').Page} page */
async function recorded(page) {
  const data = realData();
  if (!data) return;
  await signFiles(page, WORDS.map((word) => {
    const clips = join(data, 'asl_words', word);
    return { name: `${word}.pose`, bytes: readFileSync(join(clips, readdirSync(clips).sort()[0])) };
  }));
  await page.keyboard.press('Escape');
  await panel(page, 'Transcript');
  await until(async () => (await texts(page, '.segment')).length > WORDS.length, 'captions of the recordings');
}

/** @typedef {{name: string, who: 'ann' | 'ben' | 'root' | 'nobody', open: (page: import('playwright-core').Page, world: World) => Promise<unknown>}} ViewOf */

/** @param {string} name @param {string} where @param {string} title @returns {ViewOf} */
const outside = (name, where, title) => ({ name, who: 'nobody', open: async (page) => {
  await page.goto(where);
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
  await page.waitForLoadState('networkidle');
} });

/** @param {string} tab @param {string} caption @returns {ViewOf} */
const console_ = (tab, caption) => ({ name: `admin-${tab}`, who: 'root', open: async (page) => {
  await page.goto(`/admin#${tab}`);
  await page.reload();
  await page.getByText(caption).first().waitFor();
  await page.waitForLoadState('networkidle');
} });

/** @param {string} name @param {string} button @param {string} title @returns {ViewOf} */
const dialog = (name, button, title) => ({ name, who: 'ann', open: async (page) => {
  await page.keyboard.press('Escape');
  await page.getByRole('toolbar').getByRole('button', { name: button, exact: true }).click();
  await page.getByRole('dialog', { name: title }).waitFor();
} });

/** @param {'Transcript' | 'Chat' | 'People'} name @returns {ViewOf} */
const beside = (name) => ({ name: `call-${name.toLowerCase()}`, who: 'ann', open: (page) => panel(page, name) });

/** How a sign is taught, step by step, where there are clips of one. @returns {ViewOf[]} */
function teaching() {
  const clips = unknownSign(10);
  if (!clips) return [];
  /** Before the clips, some of which are recorded. @param {import('playwright-core').Page} page */
  const camera = async (page) => {
    await pretendLandmarker(page, clips.slice(0, 2));
    await page.goto('/admin#teach');
    await page.reload();
    await page.getByRole('button', { name: 'Record' }).click();
    await until(async () => (await page.locator('.count').textContent()) === '2', 'the countdown', LONG_MS);
    await page.locator('.recorder').evaluate((recorder) => recorder.scrollIntoView({ block: 'center' }));
  };
  const gather = async (/** @type {import('playwright-core').Page} */ page) => {
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Switch the camera off' }).click();
    await page.getByRole('textbox', { name: 'The sign' }).fill(SIGN);
    await dropFiles(page, clips);
    await page.getByRole('checkbox', { name: /I agree/ }).check();
    await page.locator('.cards-small li').nth(9).scrollIntoViewIfNeeded();
    await page.getByRole('heading', { name: 'Your clips' }).scrollIntoViewIfNeeded();
  };
  const learn = async (/** @type {import('playwright-core').Page} */ page) => {
    await page.getByRole('button', { name: 'Teach the sign' }).click();
    await page.getByRole('heading', { name: 'is learned' }).waitFor({ timeout: LONG_MS });
    await page.getByLabel('Room').waitFor();
  };
  return [{ name: 'teach-camera', who: 'root', open: camera }, { name: 'teach-clips', who: 'root', open: gather }, { name: 'teach-learned', who: 'root', open: learn }];
}

/** Those outside of a call. @type {ViewOf[]} */
const OUTSIDE = [
  outside('home', '/', 'Calls in sign'),
  outside('login', '/login', 'Log in'),
  outside('register', '/register', 'Register'),
  outside('reset', '/reset', 'Forgotten password'),
  outside('reset-set', '/reset/0123456789abcdef', 'Set a new password'),
  outside('setup', '/setup', 'First administrator'),
  { name: 'faults', who: 'nobody', open: async (page) => {
    await page.goto('/register');
    await page.getByLabel('User name').fill('zoe');
    await page.getByLabel('E-mail address').fill('zoe');
    await page.getByLabel('Password').fill('short');
    await page.getByRole('button', { name: 'Make my account' }).click();
    await page.locator('[aria-invalid]').first().waitFor();
  } },
  { name: 'guest-door', who: 'nobody', open: async (page, { code }) => {
    await page.goto(`/rooms/${code}`);
    await page.getByLabel('Your name').waitFor();
  } },
  console_('users', 'All users'), console_('rooms', 'All rooms'), console_('audit', 'What was done'), console_('health', 'Look again'),
  console_('teach', 'A model learns one more sign'),
  ...teaching(),
  { name: 'home-member', who: 'root', open: async (page) => {
    await page.goto('/');
    await page.getByRole('heading', { name: 'Your rooms' }).waitFor();
    await page.waitForLoadState('networkidle');
  } },
  { name: 'account', who: 'root', open: async (page) => {
    await page.goto('/account');
    await page.getByRole('cell', { name: /This page/ }).first().waitFor();
  } },
  { name: 'room-wrong', who: 'root', open: async (page) => {
    await page.goto('/rooms/never');
    await page.getByRole('heading', { name: 'No such room' }).waitFor();
  } },
];

/** Those around and in a call, in the order in which a call goes. @type {ViewOf[]} */
const INSIDE = [
  { name: 'call', who: 'ann', open: async (page) => {
    await page.reload();
    await inCall(page);
    await until(() => page.locator('.tile:not(.own) video:not([hidden])').count(), 'a picture');
    await page.getByRole('button', { name: 'Close' }).click().catch(() => null);
  } },
  { name: 'call-captions', who: 'ann', open: async (page, { code, ben }) => {
    await ask(page, 'POST', `/rooms/${code}/transcripts`, { ts_content: 'One small coffee with oat milk, please.' });
    await ask(ben, 'POST', `/rooms/${code}/transcripts`, { ts_content: 'Here you are. Careful, it is hot!' });
    await page.locator('.captions .caption', { hasText: 'Careful' }).waitFor();
  } },
  beside('Transcript'), beside('Chat'), beside('People'),
  dialog('sign-dialog', 'My signs', 'Captions of my signing'),
  dialog('caption-settings', 'Look', 'How captions look'),
  dialog('keys', 'Keys', 'Keyboard'),
  { name: 'correct', who: 'ann', open: async (page) => {
    await page.keyboard.press('Escape');
    await panel(page, 'Transcript');
    await page.locator('.segment').first().hover();
    await page.locator('.segment button').first().click();
    await page.getByRole('dialog', { name: 'Correct a caption' }).waitFor();
  } },
  { name: 'prejoin', who: 'root', open: async (page, { code, ann }) => {
    await ask(ann, 'PATCH', `/rooms/${code}`, { lobby: true });
    await page.goto(`/rooms/${code}`);
    await page.getByRole('button', { name: 'Join the call' }).waitFor();
    await until(() => page.locator('.preview video').evaluate((video) => /** @type {any} */ (video).videoWidth > 0), 'one\'s own picture');
  } },
  { name: 'lobby', who: 'nobody', open: async (page, { code }) => {
    await page.goto(`/rooms/${code}`);
    await page.getByLabel('Your name').fill('Zoe');
    await page.getByRole('button', { name: 'Join the call' }).click();
    await page.getByRole('heading', { name: 'Please wait' }).waitFor();
  } },
  // The last one of theirs: the server stays away.
  { name: 'offline', who: 'nobody', open: async (page) => {
    await page.evaluate(() => sessionStorage.clear());
    await page.route(/\/users\/me$/, (route) => route.abort());
    await page.goto('/');
    await page.getByRole('heading', { name: 'No answer from the server' }).waitFor();
  } },
  { name: 'call-waiting', who: 'ann', open: async (page) => {
    await page.keyboard.press('Escape');
    await panel(page, 'People');
    await page.getByRole('button', { name: /Let in/ }).waitFor();
  } },
  { name: 'archive', who: 'ann', open: async (page) => {
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.getByRole('heading', { name: 'You left the call' }).waitFor();
    await page.locator('.archive .segment').first().waitFor();
  } },
  { name: 'lost', who: 'ann', open: async (page) => {
    await page.goto('/admin');
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
  } },
  { name: 'removed', who: 'ben', open: async (page, { root }) => {
    const { body } = await ask(root, 'GET', '/users?q=ben');
    await ask(root, 'POST', `/users/${body.data[0].id}/block`, { reason: 'a test' });
    await page.getByRole('heading', { name: 'Your account was blocked' }).waitFor();
  } },
];

/** All of them, in an order in which each can be reached. */
export const VIEWS = [...OUTSIDE, ...INSIDE];
