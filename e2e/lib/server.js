// Why: a private server for one test file: a free port, a temporary folder, gone when the file is done.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_MS = 60_000;
const STOP_MS = 10_000;

/** The binary under test: `SIGNCALL_BIN`, else the one that Cargo built last for development. */
function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
  const path = resolve(process.env.SIGNCALL_BIN ?? join(target, 'debug', 'signcall'));
  if (!existsSync(path)) throw new Error(`${path} is not there: run \`cargo build -p signcall\`, or set SIGNCALL_BIN`);
  return path;
}

/** The environment without what would configure the server behind the test's back. */
const clean = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SIGNCALL_')));

/** Real clips to sign with: `SIGNCALL_DATA`, else beside the workspace; null where there are none. */
export function realData() {
  const path = process.env.SIGNCALL_DATA ?? join(ROOT, '..', 'shared', 'data');
  return existsSync(join(path, 'asl_words')) ? path : null;
}

/** Runs a command of the binary. @param {string[]} args */
export function runBinary(args) {
  const { status, stdout, stderr } = spawnSync(binary(), args, { env: clean(), encoding: 'utf8' });
  return { ok: status === 0, said: stdout.trim(), complained: stderr.trim() };
}

/** Starts a process that serves, and waits until it listens. @param {string[]} args */
async function serve(args) {
  const child = spawn(binary(), args, { env: clean(), stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaints = '';
  child.stderr.on('data', (text) => { complaints = (complaints + text).slice(-8000); });
  const ended = new Promise((done) => { child.once('exit', done); });
  /** @type {string} */
  const url = await new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`the server did not start: ${complaints}`)), START_MS);
    ended.then((code) => failed(new Error(`the server ended with ${code}: ${complaints}`)));
    child.stdout.on('data', (text) => {
      said += text;
      const found = /listening on (http:\S+)/.exec(said)?.[1];
      if (!found) return;
      clearTimeout(timer);
      done(found);
    });
  });
  return {
    url,
    /** @param {'SIGTERM' | 'SIGKILL'} signal */
    async end(signal) {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/**
 * Starts one and waits until it listens.
 *
 * @param {string[]} [more] options of `signcall serve`
 */
export async function startServer(more = []) {
  const data = mkdtempSync(join(tmpdir(), 'signcall-e2e-'));
  const args = (/** @type {string} */ listen) => ['serve', '--data', data, '--listen', listen, '--log-level', 'warn', '--api', 'bcrypt_cost=4', ...more];
  let running = await serve(args('127.0.0.1:0'));
  const { url } = running;
  /** Runs a command of the binary over the same data. @param {string[]} what */
  const run = (what) => runBinary([...what, '--data', data]);
  return {
    url,
    run,
    /** The secret that makes the first administrator. */
    secret() {
      const { ok, said, complained } = run(['admin', 'bootstrap']);
      if (!ok) throw new Error(`admin bootstrap failed: ${complained}`);
      return said;
    },
    /** Ends it without a word, as a crash does. */
    down: () => running.end('SIGKILL'),
    /** Starts it again, at the same address. */
    async up() {
      running = await serve(args(new URL(url).host));
    },
    async stop() {
      await running.end('SIGTERM');
      rmSync(data, { recursive: true, force: true });
    },
  };
}
