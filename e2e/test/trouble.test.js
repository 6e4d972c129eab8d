// Why: servers restart, lines break, cameras are pulled out, and two tabs are open at once: the page
// says what is the matter, loses nothing, and goes on by itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from '../lib/browser.js';
import { startServer } from '../lib/server.js';
import { ask, enter, inCall, newRoom, panel, register, say, setUp, texts, until } from '../lib/steps.js';

/** As long as the page ever waits between two tries, and the time to load. */
const BACK_MS = 40_000;

/** @type {Record<string, any>} */
const at = {};

before(async () => {
  at.server = await startServer(['--api', 'throttles.chat.burst=5000', '--api', 'throttles.chat.per_minute=600000']);
  at.browser = await startBrowser();
  at.ann = await openPage(at.browser, at.server.url);
  at.ben = await openPage(at.browser, at.server.url);
  at.page = at.ann.page;
  await Promise.all([register(at.page, 'ann'), register(at.ben.page, 'ben')]);
  at.code = await newRoom(at.page);
  await enter(at.page, at.code);
  await enter(at.ben.page, at.code);
  await say(at.page, 'written before');
  await ask(at.page, 'POST', `/rooms/${at.code}/transcripts`, { ts_content: 'typed before' });
});

after(async () => {
  await at.browser?.close();
  await at.server?.stop();
});

/** Refuses what goes there until the given function is called. @param {import('playwright-core').Page} page @param {RegExp} what @param {(route: import('playwright-core').Route) => Promise<void>} refuse */
async function refusing(page, what, refuse) {
  await page.route(what, refuse);
  return () => page.unroute(what);
}

const busy = (/** @type {import('playwright-core').Route} */ route) => route.fulfill({
  status: 503, contentType: 'application/problem+json', body: JSON.stringify({ status: 503, code: 'projection_behind', detail: 'behind' }) });

test('a call whose chat and transcript do not come says so, tries again, and is no empty call', async () => {
  const { page } = at;
  const lift = await refusing(page, /\/(messages|transcripts)\?/, busy);
  await page.reload();
  await page.getByText('Not everything could be loaded').first().waitFor();
  await panel(page, 'Chat');
  assert.equal(await page.getByText('Nothing written yet').count(), 0, 'nobody says that the chat is empty');
  await lift();
  await page.locator('.message .text', { hasText: 'written before' }).waitFor({ timeout: BACK_MS });
  await panel(page, 'Transcript');
  await page.locator('.segment', { hasText: 'typed before' }).waitFor();
  assert.equal(await page.locator('.connection').textContent(), '');
});

test('a reload while the server does not answer is no log-out, and goes on by itself', async () => {
  const { page } = await openPage(at.browser, at.server.url, { storageState: await at.ben.context.storageState() });
  for (const [what, refuse] of [['no line', (route) => route.abort()], ['a busy server', busy]]) {
    const lift = await refusing(page, /\/users\/me$/, refuse);
    await page.goto('/account');
    await page.getByRole('heading', { name: 'No answer from the server' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'Log in' }).count(), 0, `${what}: nobody is logged out`);
    await page.getByRole('button', { name: 'Try now' }).focus();
    await lift();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Your account' }).waitFor({ timeout: BACK_MS });
  }
  // A part of the page that can't be loaded is told too, and comes when the line does.
  await page.goto('/');
  await page.route(/\/livez$|views\/(account|login)\.js/, (route) => route.abort());
  await page.getByRole('link', { name: 'ben' }).click();
  await page.getByRole('heading', { name: 'No answer from the server' }).waitFor();
  await page.unroute(/\/livez$|views\/(account|login)\.js/);
  await page.getByRole('heading', { name: 'Your account' }).waitFor({ timeout: BACK_MS });
  await page.close();
});

test('the server is killed and comes back in the middle of a call', async () => {
  const { page } = at;
  await panel(page, 'Chat');
  await at.server.down();
  await page.getByText('Connection lost').first().waitFor();
  await page.getByLabel('Write a message').fill('not lost');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.chat .fault', { hasText: 'can’t be reached' }).waitFor();
  assert.equal(await page.getByLabel('Write a message').inputValue(), 'not lost', 'what was typed stays');
  const reloaded = await openPage(at.browser, at.server.url, { storageState: await at.ann.context.storageState() });
  await reloaded.page.close();
  await at.server.up();
  await until(async () => (await page.locator('.connection').textContent()) === '', 'the live connection', BACK_MS);
  await page.getByRole('button', { name: 'Send' }).click();
  await panel(at.ben.page, 'Chat');
  await at.ben.page.locator('.message .text', { hasText: 'not lost' }).waitFor({ timeout: BACK_MS });
  assert.deepEqual(await texts(page, '.message .text'), ['written before', 'not lost']);
});

test('the lists of administrators and of rooms try again by themselves', async () => {
  const { page } = await openPage(at.browser, at.server.url);
  await setUp(page, at.server.secret(), 'root');
  const lift = await refusing(page, /\/api\/v1\/(users|rooms)\?/, busy);
  await page.reload();
  await page.getByText('The server is busy, or starting').waitFor();
  await lift();
  await page.getByRole('row', { name: /\bann\b/ }).waitFor({ timeout: BACK_MS });
  const again = await refusing(page, /\/api\/v1\/rooms\?/, busy);
  await page.getByRole('link', { name: 'Signcall' }).click();
  await page.getByText('The server is busy, or starting').waitFor();
  await again();
  await page.getByText('No rooms yet').or(page.locator('.room-list li').first()).waitFor({ timeout: BACK_MS });
  // The trail says who did it, not only that it was somebody.
  await page.goto('/admin#audit');
  await page.getByRole('row', { name: /room\.message_sent user \d+/ }).first().waitFor();
  await page.close();
});

test('the arrow goes to the last message of one\'s own, also after earlier ones were loaded', async () => {
  const { page } = at;
  for (let number = 1; number <= 110; number += 1) await ask(page, 'POST', `/rooms/${at.code}/messages`, { msg_content: `number ${number}` });
  await page.reload();
  await inCall(page);
  await panel(page, 'Chat');
  await page.locator('.message .text', { hasText: 'number 110' }).waitFor();
  await page.getByRole('button', { name: 'Show earlier ones' }).click();
  await page.locator('.message .text', { hasText: 'written before' }).waitFor();
  assert.equal((await texts(page, '.message .text')).at(-1), 'number 110');
  await page.getByLabel('Write a message').press('ArrowUp');
  assert.equal(await page.getByLabel('Write a message').inputValue(), 'number 110');
  await page.getByLabel('Write a message').press('Escape');
});

test('unfinished captions keep to the threshold too, and what is taken back goes', async () => {
  const { page } = at;
  const told = (/** @type {any} */ segment) => page.evaluate((one) => {
    const { call } = /** @type {any} */ (document.querySelector('sc-in-call'));
    call.take({ kind: 'partial', user: [...call.people.keys()].find((user) => user !== call.me), segment: one });
  }, { segment_id: 's', tokens: [], ...segment });
  const shown = async (/** @type {string} */ text) => (await texts(page, '.captions .partial')).join('').trim() === text;
  const threshold = (/** @type {number} */ value) => page.evaluate((one) => import('/assets/lib/prefs.js').then((prefs) => prefs.setCaptions({ threshold: one })), value);
  await told({ text: 'maybe', confidence: 0.4 });
  await until(() => shown('maybe'), 'the unfinished caption');
  await threshold(0.5);
  await until(() => shown(''), 'nothing less sure than the reader wants');
  await told({ text: 'surely', confidence: 0.6 });
  await until(() => shown('surely'), 'what is sure enough');
  await threshold(0);
  await told({ text: '', confidence: 0 });
  await until(async () => (await page.locator('.captions .caption .partial').count()) === 0, 'what was taken back to go');
});

test('no error went unseen', () => {
  for (const one of [at.ann, at.ben]) one.watch.clean();
});
