// Why: the whole path, as two people walk it in two browsers: meet, see each other, write, sign and
// read, come back after a reload, take the transcript along, and be shown the door.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from '../lib/browser.js';
import { makeCamera } from '../lib/camera.js';
import { realData, startServer } from '../lib/server.js';
import { ask, enter, framesSeen, inCall, newRoom, panel, register, say, seesTheOther, setUp, signFiles, texts, until } from '../lib/steps.js';

const WORDS = ['hello', 'coffee', 'please'];
const BLOCKED_WITHIN_MS = 1000;
/** Two greetings are lost, and each is said again only after a while. */
const HEALED_WITHIN_MS = 40_000;
/** Longer than the page ever waits before it tries to connect again the first time. */
const NO_RETURN_MS = 2500;

/** @type {Record<string, any>} */
const at = {};
let folder = '';

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signcall-e2e-video-'));
  at.server = await startServer();
  at.plain = await startBrowser();
  const cameras = ['ann', 'ben'].map((name) => ({ name, path: join(folder, `${name}.mjpeg`) }));
  for (const { name, path } of cameras) await makeCamera(at.plain, path, [{ text: name, colour: '#36525a', seconds: 1 }]);
  at.browsers = await Promise.all(cameras.map(({ path }) => startBrowser({ camera: path })));
  [at.ann, at.ben] = await Promise.all(at.browsers.map((browser) => openPage(browser, at.server.url)));
  at.root = await openPage(at.plain, at.server.url);
});

after(async () => {
  await Promise.all([at.plain, ...(at.browsers ?? [])].map((browser) => browser?.close()));
  await at.server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('two people register, meet in a room and see each other move', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  await Promise.all([register(ann, 'ann'), register(ben, 'ben')]);
  at.code = await newRoom(ann);
  await Promise.all([enter(ann, at.code), ben.goto('/')]);
  await ben.getByLabel('Room code or link').fill(at.code.toLowerCase().replace(/(...)(...)(...)/, '$1-$2-$3'));
  await ben.getByRole('button', { name: 'Join', exact: true }).click();
  await enter(ben, at.code);
  for (const page of [ann, ben]) {
    await seesTheOther(page, 'a picture of the other one');
    const first = await framesSeen(page);
    await until(async () => (await framesSeen(page)) > first + 10, 'the picture to move');
  }
});

test('they write to each other, edit, and see who types', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  await say(ann, 'Good morning <b>Ben</b>');
  await panel(ben, 'Chat');
  await ben.locator('.message .text', { hasText: 'Good morning <b>Ben</b>' }).waitFor();
  await ben.getByLabel('Write a message').pressSequentially('Hi', { delay: 20 });
  await ann.getByText('ben is typing').waitFor();
  await ben.getByLabel('Write a message').press('Enter');
  await ann.locator('.message .text', { hasText: /^Hi$/ }).waitFor();
  await ben.getByLabel('Write a message').press('ArrowUp');
  await ben.getByLabel('Write a message').fill('Hi Ann');
  await ben.getByLabel('Write a message').press('Enter');
  await ann.locator('.message .text', { hasText: 'Hi Ann' }).waitFor();
  assert.deepEqual(await texts(ann, '.message .text'), ['Good morning <b>Ben</b>', 'Hi Ann']);
});

test('one signs, from recordings dropped in, and the other reads the captions', async (t) => {
  const data = realData();
  if (!data) return t.skip('no real clips: set SIGNCALL_DATA');
  const [ann, ben] = [at.ann.page, at.ben.page];
  await panel(ben, 'Transcript');
  const files = WORDS.map((word) => {
    const clips = join(data, 'asl_words', word);
    return { name: `${word}.pose`, bytes: readFileSync(join(clips, readdirSync(clips).sort()[0])) };
  });
  await signFiles(ann, files);
  await until(async () => (await texts(ben, '.segment .word')).length >= WORDS.length, 'a caption for each recording');
  const read = (await texts(ben, '.segment .word')).map((text) => text.toLowerCase());
  assert.deepEqual(read, WORDS);
  assert.deepEqual([...new Set(await texts(ben, '.segment .who'))], ['ann'], 'captions under their signer\'s name');
  await until(async () => (await texts(ben, '[role="log"] p')).join(' ').includes('please'), 'the log for screen readers');
  await ann.keyboard.press('Escape');
});

test('typed captions stand beside signed ones', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  await panel(ben, 'Transcript');
  await ben.getByLabel('Type a caption').fill('With milk?');
  await ben.getByRole('button', { name: 'Add the caption' }).click();
  const caption = ann.locator('.captions .caption', { hasText: 'With milk?' });
  await caption.waitFor();
  await ann.setViewportSize({ width: 640, height: 400 });
  const inSight = () => caption.evaluate((line) => {
    const { left, right, top, bottom } = line.getBoundingClientRect();
    return line.contains(document.elementFromPoint((left + right) / 2, bottom - 4)) && top >= 0 && bottom <= innerHeight;
  });
  await until(inSight, 'the caption in sight at 200 %');
  await ann.setViewportSize({ width: 1280, height: 800 });
});

test('a reload goes back into the call with no gap and nothing twice', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  const before = await texts(ben, '.segment .word');
  await ben.reload();
  await ann.getByLabel('Write a message').or(ann.getByRole('toolbar').getByRole('button', { name: 'Chat' })).first().waitFor();
  await say(ann, 'said while Ben was away');
  await inCall(ben);
  await panel(ben, 'Transcript');
  await until(async () => (await texts(ben, '.segment .word')).length >= before.length, 'the transcript after the reload');
  assert.deepEqual(await texts(ben, '.segment .word'), before);
  await panel(ben, 'Chat');
  await ben.locator('.message .text', { hasText: 'said while Ben was away' }).waitFor();
  assert.deepEqual(await texts(ben, '.message .text'), ['Good morning <b>Ben</b>', 'Hi Ann', 'said while Ben was away']);
  await seesTheOther(ben, 'Ann\'s picture after the reload');
  await seesTheOther(ann, 'Ben\'s picture after his reload');
});

test('a connection whose first signals are lost comes about all the same', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  const state = await ben.evaluate(() => {
    const { call, mesh } = /** @type {any} */ (document.querySelector('sc-in-call'));
    const [other] = mesh.peers.keys();
    const signal = call.signal.bind(call);
    const lost = /** @type {any[]} */ ([]);
    call.signal = (/** @type {number} */ to, /** @type {any} */ payload) => (lost.length < 2 ? lost.push(payload) > 0 : signal(to, payload));
    mesh.drop(other);
    mesh.greet(other);
    return { lost: lost.length, left: mesh.peers.size };
  });
  assert.deepEqual(state, { lost: 1, left: 0 }, 'connection gone and greeting lost');
  for (const page of [ben, ann]) await until(async () => !(await framesSeen(page)), 'the picture gone');
  for (const [page, what] of [[ben, 'Ann\'s picture'], [ann, 'Ben\'s picture']]) await seesTheOther(page, `${what} after lost signals`, HEALED_WITHIN_MS);
});

test('a broken line resumes where it was', async () => {
  const [ann, ben] = [at.ann.page, at.ben.page];
  await at.ben.context.setOffline(true);
  await ben.evaluate(() => document.querySelector('sc-in-call').call.socket.socket.close());
  await ben.getByText('Connection lost').first().waitFor();
  for (const text of ['one', 'two', 'three']) await say(ann, text);
  await at.ben.context.setOffline(false);
  await until(async () => (await texts(ben, '.message .text')).join().endsWith('one,two,three'), 'what was missed');
  assert.equal((await texts(ben, '.message .text')).length, 6);
});

test('the transcript can be taken along as WebVTT', async () => {
  const { page } = at.ben;
  await panel(page, 'Transcript');
  const count = (await texts(page, '.segment .word')).length;
  await page.locator('details.export summary').click();
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'VTT' }).click()]);
  const text = readFileSync(await file.path(), 'utf8');
  assert.equal(file.suggestedFilename(), `${at.code}.vtt`);
  const cues = await page.evaluate(async (vtt) => {
    const track = Object.assign(document.createElement('track'), { src: URL.createObjectURL(new Blob([vtt], { type: 'text/vtt' })), default: true });
    const video = document.createElement('video');
    document.body.append(video);
    video.append(track);
    track.track.mode = 'hidden';
    await new Promise((done, failed) => { track.onload = done; track.onerror = failed; });
    const found = [...track.track.cues].map(({ text: cue, startTime, endTime }) => ({ cue, startTime, endTime }));
    video.remove();
    return found;
  }, text);
  assert.equal(cues.length, count, text);
  for (const { cue, startTime, endTime } of cues) assert.ok(cue && endTime > startTime, `${cue}: ${startTime}–${endTime}`);
  assert.ok(cues.some(({ cue }) => cue.includes('With milk?') && cue.includes('ben')), 'speakers are named');
});

test('an administrator blocks one: their page says so within a second and stays away', async () => {
  const [ann, ben, root] = [at.ann.page, at.ben.page, at.root.page];
  await setUp(root, at.server.secret(), 'root');
  const row = root.getByRole('row', { name: /\bben\b/ });
  await row.getByRole('button', { name: 'Block' }).click();
  await root.getByLabel('Reason').fill('a test');
  const gone = ben.evaluate(() => new Promise((done) => {
    const look = () => /blocked/.test(document.querySelector('h1')?.textContent ?? '') ? done(Date.now()) : setTimeout(look, 5);
    look();
  }));
  const from = Date.now();
  await root.getByRole('dialog').getByRole('button', { name: 'Block' }).click();
  const took = (await gone) - from;
  console.log(`blocked: the page said so after ${took} ms`);
  assert.ok(took < BLOCKED_WITHIN_MS, `${took} ms`);
  await row.getByText('blocked').waitFor();
  const asked = at.ben.watch.asked.length;
  await new Promise((done) => { setTimeout(done, NO_RETURN_MS); });
  const later = at.ben.watch.asked.slice(asked).filter((url) => /live|rooms/.test(url));
  assert.deepEqual(later, [], 'a blocked page asks no more');
  assert.equal((await ask(ben, 'GET', '/users/me')).status, 401);
  await until(async () => (await framesSeen(ann)) === 0, 'Ben\'s picture to go');
});

test('whoever is erased is forgotten on the screens of others too', async () => {
  const { page } = at.ann;
  const call = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {any} */ body, token = '') => {
    const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const answer = await fetch(`${at.server.url}/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? null : answer.json();
  };
  const password = 'violet tandem quarry 19';
  const { token } = await call('POST', '/users', { username: 'cem', email: 'cem@example.org', password });
  await call('POST', `/rooms/${at.code}/participants`, {}, token);
  await call('POST', `/rooms/${at.code}/messages`, { msg_content: 'forget what I wrote' }, token);
  await call('POST', `/rooms/${at.code}/transcripts`, { ts_content: 'forget what I typed' }, token);
  await panel(page, 'Chat');
  await page.locator('.message .text', { hasText: 'forget what I wrote' }).waitFor();
  await until(async () => (await texts(page, '[role="log"] p')).join(' ').includes('forget what I typed'), 'the log for screen readers');
  await call('DELETE', '/users/me', { password, erase_content: true }, token);
  await page.locator('.message .text', { hasText: 'Text no longer kept' }).waitFor();
  await until(async () => !/forget what I/.test(await page.content()), 'nothing of it in the page');
  await panel(page, 'Transcript');
  await page.locator('.segment .word', { hasText: 'Text no longer kept' }).waitFor();
  assert.ok(!/forget what I/.test(await page.content()));
});

test('nothing left for another host, and no error went unseen', () => {
  for (const one of [at.ann, at.ben, at.root]) one.watch.clean();
});
