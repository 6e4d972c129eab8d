// Why: the clients in clients/ are what the server's document says, hold their own types, and bear a
// line that breaks: each example runs against a real server, through one that is cut all the time.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startCutter } from '../lib/cutter.js';
import { runBinary, startServer } from '../lib/server.js';

const CLIENTS = fileURLToPath(new URL('../../clients', import.meta.url));
const TSC = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
const PYTHON = process.env.PYTHON ?? 'python3';
const SIGNED = [['hello', 'i', 'get', 'coffee', 'please'], ['hello', 'coffee']];
/** Several times while one sentence is signed. */
const CUT_EVERY_MS = 700;
const EXAMPLE_MS = 60_000;

/** @type {Record<string, any>} */
const at = {};
let folder = '';

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signcall-clients-'));
  at.server = await startServer();
  at.clips = SIGNED.map((words, number) => {
    const clip = join(folder, `${number}.pose`);
    const { ok, complained } = runBinary(['synthesize', ...words, '--out', clip]);
    assert.ok(ok, complained);
    return clip;
  });
});

after(async () => {
  await at.server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs it; what it said, or a failure with what it complained of. @param {string} program @param {string[]} args */
async function run(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: EXAMPLE_MS });
  let [said, complained] = ['', ''];
  child.stdout.on('data', (text) => { said += text; });
  child.stderr.on('data', (text) => { complained += text; });
  const code = await new Promise((done, failed) => { child.once('error', failed).once('close', done); });
  assert.equal(code, 0, `${program} ${args.join(' ')} ended with ${code}\n${said}\n${complained}`);
  return said;
}

/** Two people meet by the example, over a line that breaks. @param {string} program @param {string[]} args */
async function example(program, args) {
  const cutter = await startCutter(at.server.url, CUT_EVERY_MS);
  try {
    const said = await run(program, [...args, cutter.url, ...at.clips]);
    assert.match(said, /^chat {5}Hello! I sign, you read\.$/m);
    assert.match(said, /^partial {2}\S/m, 'captions are shown while somebody signs');
    const finals = [...said.matchAll(/^final {4}(.*)$/gm)].map(([, word]) => word);
    assert.deepEqual(finals, SIGNED.flat(), 'each caption once, in order, over a line that breaks');
    assert.ok(cutter.cuts() > 2, `the line broke ${cutter.cuts()} times`);
  } finally {
    cutter.stop();
  }
}

test('the generated halves are what the server says of itself', async () => {
  await run(PYTHON, [join(CLIENTS, 'generate.py'), `${at.server.url}/api/v1/openapi.json`, '--check']);
});

test('the client in Python: two people meet, one signs, the other reads', async () => {
  await example(PYTHON, ['-W', 'error', join(CLIENTS, 'python/examples/captioned_call.py')]);
});

test('the client in TypeScript: two people meet, one signs, the other reads', async () => {
  const built = join(folder, 'built');
  mkdirSync(built);
  writeFileSync(join(built, 'package.json'), '{ "type": "module" }');
  const { status, stdout } = spawnSync(process.execPath, [TSC, '-p', join(CLIENTS, 'typescript'), '--outDir', built], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  await example(process.execPath, [join(built, 'examples/captioned-call.js')]);
});
