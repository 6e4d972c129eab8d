// Why: the page has no build step, so its types live in comments; the compiler checks them here.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));

test('the types of every module hold, strictly', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { cwd: HERE, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
});
