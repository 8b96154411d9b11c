// Ask the page in Chromium, each time with an empty cache: what to ask comes as JSON on stdin.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const client = new URL('../../js/client/', import.meta.url);
const module = (path) => import(new URL(`node_modules/${path}`, client));
const { build } = await module('esbuild/lib/main.js');
const { chromium } = await module('playwright-core/index.mjs');

const SLOW = { offline: false, latency: 40, downloadThroughput: 2.5e6, uploadThroughput: 2.5e6 };

async function bundled(entry) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    nodePaths: [new URL('node_modules', client).pathname],
    alias: { '@klarity/storage': new URL('dist/index.js', client).pathname },
    define: { 'import.meta.dirname': 'undefined' },
  });
  return outputFiles[0].text;
}

const files = {
  '/': ['text/html', '<!doctype html><script type="module" src="/page.js"></script>'],
  '/page.js': ['text/javascript', await bundled(new URL('page.js', import.meta.url).pathname)],
  '/worker.js': ['text/javascript', await bundled(new URL('dist/worker.js', client).pathname)],
  '/parquet_wasm_bg.wasm': [
    'application/wasm',
    await readFile(new URL('node_modules/parquet-wasm/esm/parquet_wasm_bg.wasm', client)),
  ],
};

const { address, token, origin, asked, executable } = JSON.parse(await readFile('/dev/stdin'));
const server = createServer(({ url }, answer) => {
  const [type, body] = files[url] ?? ['text/plain', ''];
  answer.setHeader('Content-Type', type).end(body);
});
server.listen(new URL(origin).port, '127.0.0.1');
const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox'] });
const told = [];
for (const { question, source, slow } of asked) {
  const context = await browser.newContext();
  // parquet-wasm sends no headers of ours
  if (source === 'wasm') {
    await context.setExtraHTTPHeaders({ Authorization: `Bearer ${token}` });
  }
  const page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction('globalThis.askWasm');
  const link = await context.newCDPSession(page);
  await link.send('Network.enable');
  if (slow) await link.send('Network.emulateNetworkConditions', SLOW);
  let requests = 0;
  let bytes = 0;
  const ours = new Set();
  link.on('Network.requestWillBeSent', ({ requestId, request }) => {
    // the first is the table's description, of which the time is not measured
    if (!request.url.startsWith(address) || /\/tables\/pages$/.test(request.url)) return;
    ours.add(requestId);
    requests += 1;
  });
  link.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (ours.has(requestId)) bytes += encodedDataLength;
  });
  const call = source === 'wasm' ? 'askWasm' : 'ask';
  const parameters = { address, token, question, source };
  const found = await page.evaluate(([call, given]) => globalThis[call](given), [call, parameters]);
  await page.waitForTimeout(50); // the last event comes after the answer
  told.push({ question, source, slow, requests, bytes, ...found });
  await context.close();
}
await browser.close();
server.close();
process.stdout.write(JSON.stringify(told));
