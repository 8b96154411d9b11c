// Run a script in Debian's Chromium: what to run comes as the first line on stdin, its result leaves
// as the last line on stdout. In between the script may ask Python for something: a line each way.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", // the tests run as root in a container
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const receive = async () => JSON.parse((await lines.next()).value);
const send = (message) => process.stdout.write(JSON.stringify(message) + "\n");

const ask = async (name, ...parameters) => {
  send({ ask: name, parameters });
  return receive();
};

const { script, parameters, profile, executable } = await receive();
const { default: run } = await import(pathToFileURL(script));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: executable,
  headless: true,
  args: FLAGS,
  ignoreHTTPSErrors: true, // the certificates of the tests are their own
});
try {
  const page = context.pages()[0] ?? (await context.newPage());
  send({ result: (await run({ page, context, ask, ...parameters })) ?? null });
} catch (error) {
  send({ error: error.stack });
} finally {
  await context.close();
}
process.exit(); // stdin is still open
