import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { startFaults } from './faults.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** What the tests know of the server: `inject('server')`. */
export interface Served {
  address: string;
  /** Of a server that fails: append `/<fault>` of faults.ts, and the path. */
  faults: string;
  /** Of the administrator. */
  token: string;
  versions: {
    first: string;
    second: string;
    model: string;
    readers: { alice: string; bob: string };
    stranger: string;
  };
  tables: { reader: string };
  conformance: { reader: string; cases: string };
}

declare module 'vitest' {
  interface ProvidedContext {
    server: Served;
  }
}

/** One server for all tests, as vitest's `globalSetup`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const serve = fileURLToPath(new URL('serve.py', import.meta.url));
  const server = spawn(python(), [serve, ...(process.env.KS_ORIGINS ?? '').split(' ')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: environment(),
  });
  const ended = once(server, 'exit');
  const lines = createInterface(server.stdout);
  const first = await Promise.race([once(lines, 'line'), ended.then(() => undefined)]);
  if (!first) throw new Error('The server did not start: see above.');
  const served = JSON.parse(first[0]) as Served;
  const faults = await startFaults(served.address, served.token, served.versions.first);
  project.provide('server', { ...served, faults: faults.url });
  return async () => {
    faults.server.close();
    faults.server.closeAllConnections();
    server.stdin.end();
    await ended;
  };
}

/** The Python that has klarity_storage: of KS_PYTHON, of `make`, or of PATH. */
export function python(): string {
  const own = `${ROOT}.venv/bin/python`;
  return process.env.KS_PYTHON ?? (existsSync(own) ? own : 'python3');
}

/** Its environment: the source of this checkout, and nothing of whoever runs the tests. */
export function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const path = [`${ROOT}src`, process.env.PYTHONPATH].filter(Boolean).join(delimiter);
  const alone = { PYTHONPATH: path, HOME: '/nonexistent', KS_TOKEN: '', KS_URL: '' };
  return { ...process.env, ...alone, ...more };
}
