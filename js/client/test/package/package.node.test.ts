import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { environment, python } from '../server/start.ts';
import { type Consumer, installConsumer } from './consumer.ts';

const { address, token, versions } = inject('server');
const port = Number(process.env.KS_README_PORT);
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
let consumer: Consumer;

/** Do something in a browser; no script may fail meanwhile. */
async function browsing<T>(work: (tab: Page) => Promise<T>): Promise<T> {
  const executablePath = process.env.KS_CHROMIUM ?? '/usr/bin/chromium';
  const args = ['--no-sandbox', '--host-resolver-rules=MAP *.test 127.0.0.1'];
  const browser = await chromium.launch({ executablePath, args });
  try {
    const tab = await browser.newPage();
    const failures: unknown[] = [];
    tab.on('pageerror', (error) => failures.push(error));
    const done = await work(tab);
    expect(failures).toEqual([]);
    return done;
  } finally {
    await browser.close();
  }
}

beforeAll(() => {
  consumer = installConsumer();
}, 120_000);
afterAll(() => consumer?.remove());

describe('what npm installs', () => {
  test('is what is published, and says nothing of this machine', () => {
    const read = (file: string): string =>
      readFileSync(join(consumer.folder, 'node_modules/@klarity/storage', file), 'utf8');
    const files = consumer.files.map((file) => file.replace('package/', ''));
    expect(files).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.d.ts', 'dist/index.js']),
    );
    for (const file of files) {
      expect(file).toMatch(/^(dist\/.*\.(js|d\.ts|js\.map)|LICENSE|README\.md|package\.json)$/);
      expect(read(file)).not.toMatch(/\/work\/|\/home\/|\/root\/|registry\./);
    }
    const { dependencies } = JSON.parse(read('package.json'));
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('is locked without the address of any registry', () => {
    const lock = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8');
    expect(lock).not.toMatch(/"resolved"|registry|artifactory|nexus/);
    const { packages } = JSON.parse(lock);
    const { name, version, dependencies, devDependencies } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    );
    expect(packages['']).toMatchObject({ name, version, dependencies, devDependencies });
  });

  for (const resolution of ['nodenext', 'bundler']) {
    test(`type-checks: ${resolution}`, () => {
      consumer.write(
        'page.ts',
        `import { createClient, FileMissingError, type StoredFile, type Version } from '@klarity/storage';
         const storage = createClient({ baseUrl: 'https://ks.example.org', token: async () => 'ks_' });
         export async function show(signal: AbortSignal): Promise<Blob> {
           const version: Version = await storage.getVersion('vision/datasets/cats', { signal });
           const file: StoredFile = await version.openFile('a.png');
           const bytes: Uint8Array<ArrayBuffer> = await file.slice(0, 10);
           const told: string | undefined = new FileMissingError('x').requestId;
           // @ts-expect-error a client reads
           storage.push('vision/datasets/cats');
           // @ts-expect-error a row is no object
           await storage.getRawBinary('vision/tables/runs', {});
           return bytes.length > 0 && told ? file.blob() : new Blob();
         }`,
      );
      const told = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
      expect(told.length).toBeGreaterThan(2);
      consumer.write('readme.ts', told.join('\n'));
      const module = resolution === 'bundler' ? 'esnext' : resolution;
      const options = ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2023,dom'];
      consumer.run(
        'tsc',
        ...options,
        '--module',
        module,
        '--moduleResolution',
        resolution,
        'page.ts',
        'readme.ts',
      );
    });
  }

  test('exports what it says, and nothing else', () => {
    const script = consumer.write(
      'exports.js',
      `const names = Object.keys(await import('@klarity/storage'));
       const alone = Object.keys(await import('@klarity/storage/standalone'));
       const { default: about } = await import('@klarity/storage/package.json', { with: { type: 'json' } });
       const inner = await import('@klarity/storage/dist/index.js').catch(({ code }) => code);
       console.log(JSON.stringify({ names, alone, version: about.version, inner }));`,
    );
    const told = JSON.parse(consumer.run('node', '--no-warnings', script));
    expect(told.inner).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
    expect(told.version).toMatch(/^\d/);
    expect(told.alone.sort()).toEqual(told.names.sort());
    const contract = new URL('../../../../contract/errors.json', import.meta.url);
    const errors: { name: string }[] = JSON.parse(readFileSync(contract, 'utf8'));
    const values = [
      'createClient',
      'NetworkError',
      'TimedOutError',
      ...errors.map(({ name }) => name),
    ];
    expect(told.names.sort()).toEqual(values.sort());
  });

  test('reads in Node', () => {
    const script = consumer.write(
      'read.js',
      `import { createClient } from '@klarity/storage';
       const [baseUrl, token] = process.argv.slice(2);
       const storage = createClient({ baseUrl, token });
       const version = await storage.getVersion('vision/datasets/cats');
       const file = await version.openFile('readme.txt');
       for await (const piece of await file.stream()) process.stdout.write(piece);`,
    );
    expect(consumer.run('node', script, address, versions.readers.alice)).toBe(
      'cats, and more cats\n',
    );
  });
});

describe('what an application weighs by it', () => {
  interface Piece {
    path: string;
    contents: Uint8Array;
    inputs: string[];
  }

  async function bundled(
    source: string,
  ): Promise<{ first: Buffer; all: string[]; every: Piece[] }> {
    const { outputFiles, metafile } = await build({
      stdin: { contents: source, resolveDir: consumer.folder },
      bundle: true,
      minify: true,
      splitting: true,
      metafile: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      outdir: 'out',
    });
    const outputs = Object.entries(metafile.outputs);
    // what is loaded at once: the entry, and what it imports without import()
    const wanted = outputs
      .filter(([, { entryPoint }]) => entryPoint === '<stdin>')
      .map(([name]) => name);
    for (const name of wanted) {
      for (const { path, kind } of metafile.outputs[name]?.imports ?? []) {
        if (kind === 'import-statement' && !wanted.includes(path)) wanted.push(path);
      }
    }
    const loaded = outputFiles.filter(({ path }) => wanted.some((name) => path.endsWith(name)));
    const inputs = wanted.flatMap((name) => Object.keys(metafile.outputs[name]?.inputs ?? {}));
    const every = outputFiles.map(({ path, contents }) => {
      const [, told] = outputs.find(([name]) => path.endsWith(name)) ?? [];
      return {
        path: path.split('/').at(-1) ?? '',
        contents,
        inputs: Object.keys(told?.inputs ?? {}),
      };
    });
    return { first: Buffer.concat(loaded.map(({ contents }) => contents)), all: inputs, every };
  }

  test('at most 25 KB, without Parquet and Arrow', async () => {
    const source = "import { createClient } from '@klarity/storage'; globalThis.s = createClient;";
    const { first, all } = await bundled(source);
    const size = gzipSync(first, { level: 9 }).length;
    console.info(`core: ${first.length} bytes minified, ${size} gzipped`);
    expect(size).toBeLessThanOrEqual(25 * 1024);
    expect(all.join()).not.toMatch(/hyparquet|flechette|zstd|noble/);
  });

  test('at most 50 KB with Parquet and Arrow, beside the worker that decodes', async () => {
    const source = "import { createClient } from '@klarity/storage'; globalThis.s = createClient;";
    const { every } = await bundled(source);
    // what streams of versions are verified with, what workers do, what writes and packs Arrow
    const others = /(^|\/)(sha2|column|encode|zstd)[-.]/;
    const needed = every.filter(
      ({ path, inputs }) =>
        !others.test(path) && !inputs.every((input) => /fzstd|zstd-/.test(input)),
    );
    const size = needed.reduce(
      (sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length,
      0,
    );
    console.info(`with Parquet: ${size} bytes gzipped, in ${needed.length} files`);
    expect(needed.flatMap(({ inputs }) => inputs).join()).toMatch(
      /hyparquet.*flechette|flechette.*hyparquet/s,
    );
    expect(size).toBeLessThanOrEqual(50 * 1024);
  });

  test('little, where it takes an error alone', async () => {
    const source =
      "import { NotFoundError } from '@klarity/storage'; globalThis.e = NotFoundError;";
    const { first } = await bundled(source);
    // esbuild keeps what import() leads to, and puts errors together with what both need
    expect(first.length).toBeLessThan(8000);
    expect(first.toString()).not.toMatch(/whoami|klarity-storage/);
  });
});

describe('the page of the README', () => {
  const [, page = ''] = /```html\n(.*?)```/s.exec(readme) ?? [];

  /** Open the page at a host, let it show a version, and look at it. */
  async function show<T>(host: string, port: number, look: (tab: Page) => Promise<T>): Promise<T> {
    consumer.write('index.html', page);
    const files = createServer((request, response) => {
      const path = new URL(request.url ?? '', 'http://page').pathname;
      const type = path.endsWith('.js') ? 'text/javascript' : 'text/html';
      try {
        const body = readFileSync(join(consumer.folder, path === '/' ? 'index.html' : path));
        response.setHeader('Content-Type', type).end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => files.listen(port, '127.0.0.1', resolve));
    try {
      return await browsing(async (tab) => {
        await tab.goto(`http://${host}:${(files.address() as AddressInfo).port}/`);
        await tab.fill('[name=server]', address);
        await tab.fill('[name=token]', versions.readers.alice);
        await tab.fill('[name=ref]', 'vision/artefacts/scan');
        await tab.click('button');
        return look(tab);
      });
    } finally {
      files.close();
      files.closeAllConnections();
    }
  }

  test('works when it is opened', async () => {
    await show('localhost', port, async (tab) => {
      await tab.waitForSelector('li:nth-child(2) img');
      expect(await tab.innerText('ul')).toContain('dot.png');
      expect(await tab.evaluate('document.querySelector("img").naturalWidth')).toBe(1);
      await tab.fill('[name=ref]', 'vision/artefacts/none');
      await tab.click('button');
      await tab.waitForFunction('document.querySelector("p").textContent.includes("none")');
    });
  });

  test('works where a browser has neither WebCrypto nor Cache API: by plain http', async () => {
    await show('plain.test', port, async (tab) => {
      await tab.waitForSelector('li:nth-child(2) img');
      expect(await tab.evaluate('[isSecureContext, typeof caches, typeof crypto.subtle]')).toEqual([
        false,
        'undefined',
        'undefined',
      ]);
      expect(await tab.evaluate('document.querySelector("img").naturalWidth')).toBe(1);
    });
  });

  test('says what to do where the server does not let its origin read', async () => {
    await show('localhost', 0, async (tab) => {
      await tab.waitForFunction(
        'document.querySelector("p").textContent.includes("files.origins")',
      );
    });
  });
});

describe('a front end that is deployed', () => {
  const PAGE = `<!doctype html><meta charset="utf-8"><link rel="deployment" href="./deployment.json"><p></p>
    <script type="module">
      import { createClient } from './lib/index.js';
      const storage = createClient({ baseUrl: '', token: sessionStorage.getItem('token') });
      const { deployment, getVersion } = await storage.getDeployment();
      const file = await (await getVersion('vision/datasets/cats')).openFile('readme.txt');
      document.querySelector('p').textContent = deployment + ': ' + (await file.text());
    </script>`;

  test('reads the data that are pinned with it', async () => {
    const folder = join(consumer.folder, 'front');
    const lib = join(consumer.folder, 'node_modules/@klarity/storage/dist/standalone');
    cpSync(lib, join(folder, 'lib'), { recursive: true });
    writeFileSync(join(folder, 'index.html'), PAGE);
    const deploy = fileURLToPath(new URL('../server/deploy.py', import.meta.url));
    const pinned = `vision/datasets/cats@${versions.first}`;
    const path = execFileSync(python(), [deploy, address, folder, pinned], {
      env: environment({ KS_TOKEN: token, KS_CACHE: join(consumer.folder, 'cache') }),
      encoding: 'utf8',
    }).trim();
    await browsing(async (tab) => {
      await tab.addInitScript(`sessionStorage.setItem('token', '${versions.readers.alice}')`);
      await tab.goto(address + path);
      await tab.waitForFunction('document.querySelector("p").textContent !== ""');
      expect(await tab.innerText('p')).toBe('site/prod: one cat');
    });
  });
});
