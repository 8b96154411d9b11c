import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';

const ALL: Record<string, string> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': '*',
  'Access-Control-Allow-Headers': '*',
};

type Fault = (from: IncomingMessage, to: ServerResponse) => unknown;

/** What a server or a proxy on the way may do: the first segment of the path says what. */
const FAULTS: Record<string, Fault> = {
  /** Takes the request, and never answers. */
  silent: () => undefined,
  /** Answers half of the body, and nothing more. */
  stalled: (from, to) => half(from, to, () => undefined),
  /** Answers half of the body, and hangs up. */
  broken: (from, to) => half(from, to, () => to.destroy()),
  /** Changes the last byte. */
  damaged: (from, to) => whole(from, to, flipped),
  /** Leaves out the first byte. */
  shorter: (from, to) => whole(from, to, (body) => body.subarray(1)),
  /** A proxy that asks for all where a range is asked for. */
  rangeless: (from, to) => pass(from, to),
  /** Sends other bytes than those that were asked for. */
  otherrange: (from, to) => {
    to.setHeader('Content-Range', 'bytes 1-100/4096');
    from.pipe(to);
  },
  /** Has another file at the address. */
  changed: (from, to) => {
    to.setHeader('ETag', `"${'0'.repeat(64)}"`);
    from.pipe(to);
  },
  /** A portal that answers in place of the server. */
  portal: (from, to) => {
    from.resume();
    for (const name of to.getHeaderNames()) {
      if (!name.startsWith('access-control')) to.removeHeader(name);
    }
    to.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Please log in</h1>');
  },
  /** A proxy whose server is down. */
  gateway: (from, to) => {
    from.resume();
    to.removeHeader('Content-Length');
    to.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>Bad gateway</h1>');
  },
  /** A proxy that sends to another server. */
  elsewhere: (from, to) => {
    from.resume();
    to.removeHeader('Content-Length');
    to.writeHead(302, { Location: 'http://127.0.0.1:9/' }).end();
  },
  /** Nothing at all: what goes wrong comes from the client. */
  none: pass,
};

/**
 * A server between the tests and the real one.
 *
 * Below `/admin` it does what is asked as an administrator, which no page may do itself;
 * `/deployment.json` is what a deployment of another origin has.
 */
export async function startFaults(
  address: string,
  token: string,
  pinned: string,
): Promise<{ url: string; server: Server }> {
  const server = createServer((asked, answer) => {
    const [, fault = '', ...path] = (asked.url ?? '').split('/');
    if (fault === 'deployment.json') {
      showPins(asked, answer, pinned);
      return;
    }
    const admin = fault === 'admin';
    if (admin && asked.method === 'OPTIONS') {
      answer.writeHead(204, ALL).end();
      return;
    }
    // a browser asks before it sends a token: that always succeeds
    const act = asked.method === 'OPTIONS' ? FAULTS.none : FAULTS[fault];
    if (act === FAULTS.silent) return;
    const headers = { ...asked.headers, host: new URL(address).host };
    if (act === FAULTS.rangeless) delete headers.range;
    if (admin) headers.authorization = `Bearer ${token}`;
    const to = { method: asked.method, headers };
    const asking = request(`${address}/${path.join('/')}`, to, (from) => {
      answer.statusCode = from.statusCode ?? 500;
      for (const [name, value] of Object.entries(from.headers)) {
        if (value !== undefined) answer.setHeader(name, value);
      }
      if (admin) for (const [name, value] of Object.entries(ALL)) answer.setHeader(name, value);
      (act ?? pass)(from, answer);
    });
    asking.on('error', () => answer.destroy());
    asked.pipe(asking);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, server };
}

function pass(from: IncomingMessage, to: ServerResponse): void {
  from.pipe(to);
}

async function bodyOf(from: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of from) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function half(from: IncomingMessage, to: ServerResponse, then: () => void): Promise<void> {
  const body = await bodyOf(from);
  to.write(body.subarray(0, body.length / 2), then);
}

async function whole(
  from: IncomingMessage,
  to: ServerResponse,
  change: (body: Buffer) => Uint8Array,
): Promise<void> {
  const body = change(await bodyOf(from));
  to.setHeader('Content-Length', body.length).end(body);
}

/** With another last byte; of an answer without a body nothing changes. */
function flipped(body: Buffer): Uint8Array {
  const last = body.length - 1;
  if (last >= 0) body.writeUInt8(body.readUInt8(last) ^ 1, last);
  return body;
}

/** As a front end's host answers it: to everybody, and to nobody who sends a token there. */
function showPins(asked: IncomingMessage, answer: ServerResponse, version: string): void {
  const app = 'site/artefacts/kd-front';
  const data = { 'vision/datasets/cats': version };
  const body = JSON.stringify({ deployment: 'site/prod', app, version: '0'.repeat(64), data });
  const status = asked.headers.authorization ? 400 : 200;
  answer.writeHead(status, { ...ALL, 'Content-Type': 'application/json' }).end(body);
}
