// Why: everything that can be done can be done with the keyboard alone, and one always sees where one
// is: the whole path without a single click.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from '../lib/browser.js';
import { realData, startServer } from '../lib/server.js';
import { PASSWORD, ask, inCall, register, setUp, texts, until } from '../lib/steps.js';

/** More stops than any view has. */
const STOPS_MAX = 80;

/** @type {Record<string, any>} */
const at = {};

before(async () => {
  at.server = await startServer();
  at.browser = await startBrowser();
  at.ann = await openPage(at.browser, at.server.url);
  at.page = at.ann.page;
  at.ben = await openPage(at.browser, at.server.url);
  await register(at.ben.page, 'ben');
});

after(async () => {
  await at.browser?.close();
  await at.server?.stop();
});

/** What has the focus: its name as told to people who don't see it, and whether the focus is seen. */
const focused = () => at.page.evaluate(() => {
  const element = document.activeElement;
  if (!element || element === document.body) return { name: '', seen: true };
  const labelled = element.labels?.length ? [...element.labels].map((one) => one.textContent).join(' ') : '';
  const name = element.getAttribute('aria-label') || labelled || element.textContent || '';
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const there = element.closest('.unseen') ? false : box.width > 0 && box.height > 0;
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  return { name: name.replace(/\s+/g, ' ').trim(), seen: there && (ring || style.boxShadow !== 'none'), tag: element.tagName };
});

/** Goes on with Tab until the control of that name has the focus. @param {string | RegExp} name @param {string} [key] */
async function to(name, key = 'Tab') {
  const passed = [];
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    const now = await focused();
    const fits = typeof name === 'string' ? now.name === name : name.test(now.name);
    if (fits) {
      assert.ok(now.seen, `the focus on ${now.name} can be seen`);
      return;
    }
    passed.push(now.name);
    await at.page.keyboard.press(key);
  }
  assert.fail(`no way to ${name} by ${key}; passed ${JSON.stringify(passed)}`);
}

/** @param {string} text */
const type = (text) => at.page.keyboard.type(text);
/** @param {string} key */
const press = (key) => at.page.keyboard.press(key);
const heading = (name) => at.page.getByRole('heading', { name }).first().waitFor();

test('registering, and the skip link', async () => {
  await at.page.goto('/');
  await heading('Calls in sign');
  await at.page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await press('Tab');
  assert.deepEqual({ ...(await focused()), tag: undefined }, { name: 'Skip to content', seen: true, tag: undefined });
  await press('Enter');
  await until(() => at.page.evaluate(() => document.activeElement?.id === 'main'), 'the focus past the header');
  await to('Register');
  await press('Enter');
  await heading('Register');
  for (const [label, text] of [['User name', 'ann'], ['E-mail address', 'ann@example.org'], ['Password', PASSWORD]]) {
    await to(label);
    await type(text);
  }
  await press('Enter');
  await at.page.getByRole('link', { name: 'ann' }).waitFor();
});

test('into a room of one\'s own, and another one with it', async () => {
  await to('New room');
  await press('Enter');
  await to('Join the call');
  await press('Enter');
  await inCall(at.page);
  at.code = at.page.url().split('/').pop();
  const { status } = await ask(at.ben.page, 'POST', `/rooms/${at.code}/participants`);
  assert.ok(status < 300);
});

test('chat by shortcut; the focus goes into the panel and back', async () => {
  await press('Control+Shift+M');
  await until(() => at.page.evaluate(() => document.activeElement?.id === 'panel'), 'the focus in the panel');
  await to('Write a message');
  await type('by keyboard');
  await press('Enter');
  await at.page.locator('.message .text', { hasText: 'by keyboard' }).waitFor();
  await to('Edit', 'Shift+Tab');
  await press('Enter');
  await type(' alone');
  await press('Enter');
  await at.page.locator('.message .text', { hasText: 'by keyboard alone' }).waitFor();
  await to('Close', 'Shift+Tab');
  await press('Enter');
  await until(async () => /^Chat/.test((await focused()).name), 'the focus back on the button');
});

test('one\'s own signing: consent, a recording, its captions', async (t) => {
  const data = realData();
  if (!data) return t.skip('no real clips: set SIGNCALL_DATA');
  // Listened for in good time: what asks for files must not come before the browser knows who answers.
  const asked = at.page.waitForEvent('filechooser');
  await press('Control+Shift+S');
  await at.page.getByRole('dialog', { name: 'Captions of my signing' }).waitFor();
  await to(/camera$/);
  while (!/from .pose files/.test((await focused()).name)) await press('ArrowDown');
  await press('Space');
  await to('Switch captions on');
  await press('Enter');
  await to('Choose files');
  const clips = join(data, 'asl_words', 'coffee');
  const file = { name: 'coffee.pose', mimeType: 'application/octet-stream', buffer: readFileSync(join(clips, readdirSync(clips).sort()[0])) };
  await press('Enter');
  const chooser = await asked;
  await chooser.setFiles(file);
  await press('Escape');
  await press('Control+Shift+Y');
  await until(async () => (await texts(at.page, '.segment .word')).join().toLowerCase() === 'coffee', 'the caption');
});

test('reading: type, search, correct, take along', async () => {
  if ((await at.page.locator('aside.panel h2').textContent().catch(() => '')) !== 'Transcript') await press('Control+Shift+Y');
  await to('Type a caption');
  await type('with milk');
  await press('Enter');
  await at.page.locator('.segment', { hasText: 'with milk' }).waitFor();
  await to('Correct “with milk”', 'Shift+Tab');
  await press('Enter');
  await to('Text');
  await press('Control+A');
  await type('with oat milk');
  await press('Enter');
  await at.page.locator('.segment', { hasText: 'with oat milk' }).waitFor();
  await to('Take along', 'Shift+Tab');
  await press('Enter');
  await to('TXT');
  const [file] = await Promise.all([at.page.waitForEvent('download'), press('Enter')]);
  assert.match(readFileSync(await file.path(), 'utf8'), /with oat milk/);
});

test('the look of captions, by the row of buttons and arrow keys', async () => {
  await to('Sound');
  await to('Look', 'ArrowRight');
  await press('Enter');
  await at.page.getByRole('dialog', { name: 'How captions look' }).waitFor();
  await to('100 %');
  for (let step = 0; step < 3; step += 1) await press('ArrowRight');
  assert.equal(await at.page.locator('.caption-preview sc-captions').evaluate((one) => one.style.getPropertyValue('--caption-size')), '3');
  await press('Escape');
  await until(async () => (await focused()).name === 'Look', 'the focus back on its button');
});

test('the door: lock the room, remove somebody', async () => {
  await press('Control+Shift+P');
  await to('Lock the room');
  await press('Space');
  await until(async () => (await ask(at.page, 'GET', `/rooms/${at.code}`)).body.state === 'locked', 'the lock');
  await to(/^Remove ben/, 'Shift+Tab');
  await press('Enter');
  await to('Remove');
  await press('Enter');
  await until(async () => !(await texts(at.page, '.persons .name')).join().includes('ben'), 'Ben to be gone');
});

test('shortcuts can be switched off', async () => {
  await press('Control+Shift+?');
  await at.page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await to('Use these shortcuts');
  await press('Space');
  await press('Escape');
  await press('Control+Shift+M');
  assert.notEqual(await at.page.locator('aside.panel h2').textContent(), 'Chat');
});

test('leaving, reading what is left, logging out', async () => {
  await to('Sound');
  await to('Leave', 'ArrowRight');
  await press('Enter');
  await heading('You left the call');
  await to('To the start page');
  await press('Enter');
  await heading('Calls in sign');
  await to('Log out', 'Shift+Tab');
  await press('Enter');
  await at.page.getByRole('link', { name: 'Log in' }).first().waitFor();
});

test('an administrator blocks, by keyboard', async () => {
  await setUp(at.page, at.server.secret(), 'root');
  await to('Search by name or address');
  await type('ben');
  await until(async () => (await at.page.locator('tbody tr').count()) === 1, 'the search');
  await to(/^Block ben/);
  await press('Enter');
  await to('Reason');
  await type('a test');
  await press('Enter');
  await at.page.getByRole('row', { name: /ben/ }).getByText('blocked').waitFor();
});

test('nothing left for another host, and no error went unseen', () => {
  for (const one of [at.ann, at.ben]) one.watch.clean();
});
