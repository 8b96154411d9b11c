import { once } from 'node:events';
import { createServer } from 'node:net';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import about from './package.json' with { type: 'json' };

/** A port that nothing listens on: the page's origin stands in the server's settings. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

const port: number = await freePort();
const readme: number = await freePort();
process.env.KS_README_PORT = String(readme);
process.env.KS_ORIGINS = [port, readme]
  // the last is no secure context to a browser
  .flatMap((one) => [
    `http://127.0.0.1:${one}`,
    `http://localhost:${one}`,
    `http://plain.test:${one}`,
  ])
  .join(' ');

/** Whether a package is imported by its name alone. */
const whole = (name: string): boolean => name !== '@noble/hashes';

const chromium: string = process.env.KS_CHROMIUM ?? '/usr/bin/chromium';
const args: string[] = ['--no-sandbox', '--disable-dev-shm-usage'];

const config: ViteUserConfig = defineConfig({
  test: {
    // of the root alone: what projects inherit is started once for each
    globalSetup: ['test/server/start.ts'],
    // machines are shared: how long a test takes says nothing of what it tests
    projects: [
      {
        test: {
          testTimeout: 120_000,
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.browser.test.ts'],
          environment: 'node',
        },
      },
      {
        // what import() leads to is found late, and the page would be loaded anew for it
        optimizeDeps: {
          include: [...Object.keys(about.dependencies).filter(whole), '@noble/hashes/sha2.js'],
        },
        test: {
          testTimeout: 120_000,
          name: 'chromium',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.node.test.ts'],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            api: { host: '127.0.0.1', port, strictPort: true },
            provider: playwright({ launchOptions: { executablePath: chromium, args } }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});
export default config;
