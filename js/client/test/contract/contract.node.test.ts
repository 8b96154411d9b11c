import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const CLIENT = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ks-contract-'));
cpSync(join(CLIENT, '../../contract'), folder, { recursive: true });
afterAll(() => rmSync(folder, { recursive: true }));

function check(): { status: number | null; stderr: string } {
  const told = ['scripts/contract.js', '--check', folder];
  return spawnSync('node', told, { cwd: CLIENT, encoding: 'utf8' });
}

test('the types and errors are those of the contract', () => {
  expect(check()).toMatchObject({ status: 0, stderr: '' });
});

test('a contract that has changed is told of', () => {
  for (const [name, from, to, stale] of [
    ['errors.json', '"status": 507', '"status": 508', 'src/errors/classes.ts'],
    ['openapi.json', '"display_name"', '"shown_name"', 'src/contract/openapi.ts'],
  ] as const) {
    const file = join(folder, name);
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replaceAll(from, to));
    const { status, stderr } = check();
    writeFileSync(file, before);
    expect(status).toBe(1);
    expect(stderr).toContain(`${stale}. Run: make contract`);
  }
});
