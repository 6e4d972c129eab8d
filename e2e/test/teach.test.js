// Why: an administrator teaches a sign on the page, from real clips to the caption that the new model
// writes: by files and the keyboard alone, and by the camera.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from '../lib/browser.js';
import { SIGN, pretendLandmarker, unknownSign } from '../lib/pretend.js';
import { startServer } from '../lib/server.js';
import { ask, dropFiles, enter, newRoom, panel, setUp, signFiles, texts, until } from '../lib/steps.js';

const CLIPS = 10;
/** More stops than the view has. */
const STOPS_MAX = 80;
/** Learning takes seconds of a core that others use too. */
const LEARNED_MS = 120_000;
const RECORDED_MS = 90_000;

/** @type {Record<string, any>} */
const at = {};

before(async () => {
  at.clips = unknownSign(CLIPS + 1);
  if (!at.clips) return;
  at.server = await startServer();
  at.browser = await startBrowser();
  at.root = await openPage(at.browser, at.server.url, { reducedMotion: 'reduce' });
  at.page = at.root.page;
  await setUp(at.page, at.server.secret(), 'root');
  at.code = await newRoom(at.page);
});

after(async () => {
  await at.browser?.close();
  await at.server?.stop();
});

/** What one reads of an element with the focus. */
const focused = () => at.page.evaluate(() => {
  const element = /** @type {any} */ (document.activeElement);
  const labelled = element?.labels?.length ? [...element.labels].map((one) => one.textContent).join(' ') : '';
  const ring = element && getComputedStyle(element).outlineStyle !== 'none';
  return { name: (element?.getAttribute('aria-label') || labelled || element?.textContent || '').replace(/\s+/g, ' ').trim(), seen: Boolean(ring) };
});

/** Goes on with Tab to a control. @param {RegExp} name */
async function to(name) {
  const passed = [];
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    const now = await focused();
    if (name.test(now.name)) {
      assert.ok(now.seen, `the focus on ${now.name} can be seen`);
      return;
    }
    passed.push(now.name);
    await at.page.keyboard.press('Tab');
  }
  assert.fail(`no way to ${name}; passed ${JSON.stringify(passed)}`);
}

/** The view on a page of its own, with nothing gathered. @param {{bytes: Buffer}[]} [found] what a landmarker finds, if there is one */
async function open(found) {
  await at.page.close();
  at.page = await at.root.context.newPage();
  if (found) await pretendLandmarker(at.page, found);
  await at.page.goto('/admin#teach');
  await at.page.getByRole('textbox', { name: 'The sign' }).waitFor();
}

/** How many clips the page says it has. @param {number} count */
const gathered = (count) => until(async () => (await at.page.locator('.gathered p').textContent()) === `${count} of ${CLIPS} clips`, `${count} clips`, RECORDED_MS);

test('what is missing or wrong is said before and after it is sent', async (t) => {
  if (!at.clips) return t.skip('no real clips: set SIGNCALL_DATA');
  await open();
  const { page } = at;
  await page.getByText('The landmarker is not installed on this server.').waitFor();
  const button = page.getByRole('button', { name: 'Teach the sign' });
  assert.ok(await button.isDisabled());
  await page.getByRole('textbox', { name: 'The sign' }).fill('coffee');
  await page.getByText('asl-basic knows “coffee” already.').waitFor();
  await dropFiles(page, [...at.clips.slice(0, CLIPS - 1), { name: 'notes.pose', bytes: Buffer.from('no clip') }]);
  await gathered(CLIPS);
  await page.getByText('Your consent is missing.').waitFor();
  await page.getByRole('checkbox', { name: /I agree/ }).check();
  await button.click();
  assert.equal(await page.evaluate(() => /** @type {any} */ (document.activeElement).name), 'label');
  await page.getByRole('textbox', { name: 'The sign' }).fill(SIGN);
  await button.click();
  await page.getByText('The server can’t use 1 clip').waitFor();
  const wrong = page.locator('.cards-small li.wrong');
  assert.match(await wrong.textContent(), /notes\.pose.*is no \.pose file/);
  assert.ok(await button.isDisabled());
  await wrong.getByRole('button', { name: /Delete/ }).click();
  await gathered(CLIPS - 1);
  await page.getByText('1 more clip, then it can be taught.').waitFor();
  assert.match((await focused()).name, /Delete/, 'the focus stays at the clips');
  // What was gathered outlives a look at another tab.
  await page.getByRole('tab', { name: 'Health' }).click();
  await page.getByRole('tab', { name: 'Teach a sign' }).click();
  await gathered(CLIPS - 1);
  assert.equal(await page.getByRole('textbox', { name: 'The sign' }).inputValue(), SIGN);
  return at.root.watch.clean();
});

test('a sign is taught by files and the keyboard alone, chosen for a room, and read there', async (t) => {
  if (!at.clips) return t.skip('no real clips: set SIGNCALL_DATA');
  await open();
  const { page } = at;
  // Long before the key: a browser that has not yet heard that somebody waits opens a window of its own.
  const chooser = page.waitForEvent('filechooser', { timeout: LEARNED_MS });
  chooser.catch(() => null);
  await to(/^The sign$/);
  await page.keyboard.type(SIGN);
  await to(/^Choose files$/);
  await page.keyboard.press('Enter');
  await (await chooser).setFiles(at.clips.slice(0, CLIPS).map(({ name, bytes }) => ({ name, mimeType: 'application/x-pose', buffer: bytes })));
  await gathered(CLIPS);
  await to(/^I agree/);
  await page.keyboard.press('Space');
  await to(/^Teach the sign$/);
  await page.keyboard.press('Enter');
  const title = page.getByRole('heading', { name: `“${SIGN}” is learned` });
  await title.waitFor({ timeout: LEARNED_MS });
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'teach-result', 'the focus is at what came of it');
  const own = page.getByRole('row', { name: /Its own clips that were read/ });
  const [count, of] = (await own.locator('td').last().textContent()).match(/\d+/g).map(Number);
  console.log(`${count} of ${of} clips were read by what the others taught`);
  assert.ok(of === CLIPS && count >= 8, `${count} of ${of}`);
  await to(/^Room$/);
  await to(/^Use it in this room$/);
  await page.keyboard.press('Enter');
  await page.getByText(/is read by asl-basic-space from now on/).waitFor();
  const { body } = await ask(page, 'GET', `/rooms/${at.code}`);
  assert.equal(body.model, `asl-basic-${SIGN}`);
  await until(async () => {
    const models = await ask(page, 'GET', '/models');
    return models.body.data.some((one) => one.name === body.model && !one.default);
  }, 'the new model in the list');
  await page.goto('/admin#audit');
  await page.getByRole('row', { name: new RegExp(`user\\.model_taught user \\d+ .*asl-basic-${SIGN}`) }).waitFor();
  await page.goto(`/rooms/${at.code}`);
  await enter(page, at.code);
  await signFiles(page, at.clips.slice(CLIPS));
  await page.keyboard.press('Escape');
  await panel(page, 'Transcript');
  await until(async () => (await texts(page, '.segment')).some((text) => text.includes(SIGN)), 'the caption of the new sign');
  return at.root.watch.clean();
});

test('ten clips are recorded with the camera, each after a countdown', async (t) => {
  if (!at.clips) return t.skip('no real clips: set SIGNCALL_DATA');
  await open(at.clips.slice(0, 3));
  const { page } = at;
  await page.getByRole('button', { name: 'Switch the camera on' }).click();
  await page.getByRole('button', { name: 'Switch the camera off' }).waitFor();
  await page.getByLabel('How long the sign takes').selectOption('1.5');
  await page.getByRole('button', { name: 'Record' }).click();
  await until(async () => (await page.locator('.count').textContent()) === '3' && page.locator('.count').isVisible(), 'the countdown');
  await page.keyboard.press('Escape');
  await gathered(0);
  await page.getByRole('button', { name: 'Record' }).click();
  await gathered(CLIPS);
  const titles = () => texts(page, '.cards-small .title');
  assert.equal((await titles()).length, CLIPS);
  const first = page.locator('.cards-small li').first();
  const drawn = await first.locator('path.right').getAttribute('d');
  assert.match(drawn ?? '', /^M.*L/, 'the clip is drawn');
  await first.getByRole('button', { name: /Again/ }).click();
  await until(async () => (await page.locator('.recorder').getAttribute('data-state')) === 'record', 'the second recording');
  await until(async () => (await page.locator('.recorder').getAttribute('data-state')) === 'ready', 'its end');
  assert.match((await titles())[0], /^Clip 1 /, 'it takes the place of the first');
  await page.locator('.cards-small li').nth(1).getByRole('button', { name: /Delete/ }).click();
  await gathered(CLIPS - 1);
  assert.ok(!(await titles()).some((title) => title.startsWith('Clip 2 ')));
  return at.root.watch.clean();
});
