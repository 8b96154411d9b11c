import { describe, expect, inject, test } from 'vitest';
import {
  BusyError,
  ConfigurationError,
  createClient,
  InternalError,
  InvalidNameError,
  NetworkError,
  NotFoundError,
  type StorageError,
  TimedOutError,
  UnauthenticatedError,
  UnavailableError,
} from '../../src/index.ts';
import { admin, connect, failure } from '../connect.ts';

const through = (fault: string) => `${inject('server').faults}/${fault}`;

describe('a server that', () => {
  test('is down', async () => {
    const error = await failure(connect({ baseUrl: 'http://127.0.0.1:9' }).getSpaces());
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: 'network', status: 0, name: 'NetworkError' });
    expect((error as NetworkError).cause).toBeInstanceOf(TypeError);
  });

  test('never answers', async () => {
    const client = connect({ baseUrl: through('silent') });
    const error = await failure(client.getSpaces({ timeout: 100 }));
    expect(error).toBeInstanceOf(TimedOutError);
    expect(error).toMatchObject({ code: 'timed_out', status: 0 });
  });

  test('never answers, with a time-out for all calls', async () => {
    const client = connect({ baseUrl: through('silent'), timeout: 100 });
    expect(await failure(client.getSpaces())).toBeInstanceOf(TimedOutError);
  });

  test('stops in the midst of an answer', async () => {
    const client = connect({ baseUrl: through('stalled'), stall: 100 });
    const error = (await failure(client.getSpaces())) as TimedOutError;
    expect(error).toBeInstanceOf(TimedOutError);
    expect(error.requestId).toBeTruthy();
  });

  test('breaks off in the midst of an answer', async () => {
    const error = (await failure(
      connect({ baseUrl: through('broken') }).getSpaces(),
    )) as StorageError;
    expect(error).toBeInstanceOf(NetworkError);
    expect(error.requestId).toBeTruthy();
    expect(error.cause).toBeInstanceOf(Error);
  });

  test('is another', async () => {
    const error = (await failure(
      connect({ baseUrl: through('portal') }).getSpaces(),
    )) as StorageError;
    expect(error).toBeInstanceOf(InternalError);
    expect(error.hint).toContain('Is it a Klarity Storage server');
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });

  test('is down behind a proxy', async () => {
    const error = await failure(connect({ baseUrl: through('gateway') }).getSpaces());
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ status: 502, code: 'unavailable' });
  });

  test('sends to another server: the token does not follow', async () => {
    const error = await failure(connect({ baseUrl: through('elsewhere') }).getSpaces());
    expect(error).toBeInstanceOf(NetworkError);
  });
});

describe('a caller who aborts', () => {
  test('before the call', async () => {
    const reason = new Error('changed my mind');
    expect(await failure(connect().getSpaces({ signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  test('while the server does not answer', async () => {
    const aborting = new AbortController();
    const call = connect({ baseUrl: through('silent') }).getSpaces({ signal: aborting.signal });
    setTimeout(() => aborting.abort(), 50);
    expect(await failure(call)).toMatchObject({ name: 'AbortError' });
  });

  test('while the answer stands still', async () => {
    const signal = AbortSignal.timeout(200);
    const client = connect({ baseUrl: through('stalled') });
    expect(await failure(client.getSpaces({ signal }))).toBe(signal.reason);
  });

  test('while a function thinks about a token', async () => {
    const signal = AbortSignal.timeout(50);
    const client = connect({ token: () => new Promise<string>(() => undefined) });
    expect(await failure(client.getSpaces({ signal }))).toBe(signal.reason);
    expect(await failure(client.getSpaces({ timeout: 50 }))).toBeInstanceOf(TimedOutError);
  });

  test('and whose fetch does not listen', async () => {
    const client = connect({ fetch: () => new Promise<Response>(() => undefined) });
    expect(await failure(client.getSpaces({ timeout: 50 }))).toBeInstanceOf(TimedOutError);
  });
});

describe('a token', () => {
  const { versions } = inject('server');

  test('that is not known', async () => {
    const error = await failure(connect({ token: `ks_${'x'.repeat(43)}` }).getSpaces());
    expect(error).toBeInstanceOf(UnauthenticatedError);
    expect(error).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(String(error)).not.toContain('xxx');
  });

  test('that is none', async () => {
    expect(await failure(connect({ token: undefined }).getSpaces())).toBeInstanceOf(
      UnauthenticatedError,
    );
    for (const odd of ['a b', 'a\nb', '', 'ü']) {
      const error = await failure(connect({ token: odd }).getSpaces());
      expect(error).toBeInstanceOf(UnauthenticatedError);
      expect(error).toMatchObject({ status: 0 });
    }
  });

  test('is asked for once, and once more when it is refused', async () => {
    let asked = 0;
    const tokens = [`ks_${'x'.repeat(43)}`, versions.readers.alice];
    const client = connect({ token: async () => tokens[asked++] ?? '' });
    const all = [1, 2, 3, 4].map(() => client.getModels('vision'));
    expect((await Promise.all(all)).map((names) => names.length)).toEqual([1, 1, 1, 1]);
    await client.getModels('vision');
    expect(asked).toBe(2);
  });

  test('that is refused twice ends the call', async () => {
    let asked = 0;
    const client = connect({ token: () => `ks_${'x'.repeat(42)}${asked++}` });
    expect(await failure(client.getSpaces())).toBeInstanceOf(UnauthenticatedError);
    expect(asked).toBe(2);
  });

  test('whose function fails', async () => {
    const cause = new Error('no session');
    const client = connect({ token: () => Promise.reject(cause) });
    const error = await failure(client.getSpaces());
    expect(error).toBeInstanceOf(UnauthenticatedError);
    expect((error as StorageError).cause).toBe(cause);
  });

  test('that is revoked between two calls', async () => {
    const made = await admin('POST', '/v1/tokens', { user: 'bob' });
    const client = connect({ token: made.secret as string });
    expect(await client.getModels('vision')).toHaveLength(1);
    await admin('DELETE', `/v1/tokens/${(made.token as { id: string }).id}`);
    expect(await failure(client.getSpaces())).toBeInstanceOf(UnauthenticatedError);
  });
});

test('an address that is none is refused at once', () => {
  for (const baseUrl of ['http://', 'ftp://ks.example.org', 'https://me:secret@ks.example.org']) {
    expect(() => createClient({ baseUrl })).toThrow(ConfigurationError);
  }
  expect(() => createClient({ baseUrl: 'https://me:secret@ks.example.org' })).not.toThrow('secret');
  expect(createClient({ baseUrl: 'https://ks.example.org/storage//' }).baseUrl).toBe(
    'https://ks.example.org/storage',
  );
});

test('an address may be left out in a page, where the server is its own', () => {
  const page = globalThis.location?.origin;
  if (page) expect(createClient({ baseUrl: '' }).baseUrl).toBe(page);
  else expect(() => createClient({ baseUrl: '' })).toThrow(ConfigurationError);
});

test("the environment's own fetch may be given", async () => {
  expect(await connect({ fetch: globalThis.fetch }).getModels('vision')).toHaveLength(1);
});

test('a server that wants to be left alone for a while says how long', async () => {
  const headers = { 'Retry-After': '7', 'Content-Type': 'application/problem+json' };
  const told = { type: 'x', title: 'x', status: 503, code: 'busy', detail: 'Too much at once.' };
  const busy = () => Promise.resolve(new Response(JSON.stringify(told), { status: 503, headers }));
  const error = await failure(connect({ fetch: busy }).getSpaces());
  expect(error).toBeInstanceOf(BusyError);
  expect(error).toMatchObject({ retryAfter: 7, status: 503, message: 'Too much at once.' });
});

test('a code that is not known yet is read by its status', async () => {
  const headers = { 'Content-Type': 'application/problem+json' };
  const told = { type: 'x', title: 'x', status: 404, code: 'galaxy_not_found', detail: 'None.' };
  const fetch = () => Promise.resolve(new Response(JSON.stringify(told), { status: 404, headers }));
  const error = await failure(connect({ fetch }).getSpaces());
  expect(error).toBeInstanceOf(NotFoundError);
  expect(error).toMatchObject({ code: 'galaxy_not_found', status: 404 });
});

test('names that would lead to another address are refused', async () => {
  for (const name of ['..', 'a/b', 'A', '']) {
    expect(await failure(connect().getSpace(name))).toBeInstanceOf(InvalidNameError);
  }
});
