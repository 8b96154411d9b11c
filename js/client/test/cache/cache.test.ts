import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { Recent } from '../../src/cache/recent.ts';
import {
  type Client,
  type ClientOptions,
  IntegrityError,
  NotFoundError,
  StorageError,
  type StoredFile,
  UnauthenticatedError,
} from '../../src/index.ts';
import { connect, failure } from '../connect.ts';
import { through } from '../through.ts';

const { versions } = inject('server');
const { alice, bob } = versions.readers;
const stores = typeof caches !== 'undefined';

/** A client whose requests for bytes are counted. */
function counted(options: Partial<ClientOptions> = {}): Client & { read: string[] } {
  const read: string[] = [];
  const send: typeof fetch = (input, init) => {
    const { pathname } = new URL(String(input));
    if (pathname.includes('/files/') && init?.method === 'GET' && !pathname.endsWith('/')) {
      read.push(pathname);
    }
    return (options.fetch ?? fetch)(input, init);
  };
  return Object.assign(connect({ ...options, fetch: send }), { read });
}

async function open(client: Client, path = 'train/0001.bin'): Promise<StoredFile> {
  return (await client.getVersion('vision/datasets/cats')).openFile(path);
}

async function kept(): Promise<string[]> {
  if (!stores) return [];
  const found: string[] = [];
  for (const name of await caches.keys()) {
    if (!name.startsWith('klarity-storage/')) continue;
    for (const { url } of await (await caches.open(name)).keys()) found.push(url);
  }
  return found;
}

async function empty(): Promise<void> {
  if (stores) for (const name of await caches.keys()) await caches.delete(name);
}

beforeEach(empty);
afterEach(async () => {
  vi.unstubAllGlobals();
  await empty();
});

describe('a file that was read', () => {
  test('is not asked for again', async () => {
    const client = counted();
    const first = await (await open(client)).bytes();
    expect(await (await open(client)).bytes()).toEqual(first);
    expect(await (await open(client)).slice(3, 5)).toEqual(Uint8Array.of(3, 4));
    expect((await (await open(client)).stream()).locked).toBe(false);
    expect(client.read).toHaveLength(1);
  });

  test('is nobody else to write into', async () => {
    const client = counted();
    const first = await (await open(client)).bytes();
    first.fill(1);
    const second = await (await open(client)).bytes();
    expect(second[0]).toBe(0);
    second.fill(2);
    expect((await (await open(client)).bytes())[0]).toBe(0);
  });

  test.runIf(stores)('is not asked for by another client of the same user', async () => {
    await (await open(counted())).bytes();
    await vi.waitFor(async () => expect(await kept()).toHaveLength(1));
    const client = counted();
    expect((await (await open(client)).bytes()).byteLength).toBe(4096);
    expect(client.read).toHaveLength(0);
  });

  test.runIf(stores)('is kept under no address, token or name', async () => {
    await (await open(counted(), 'readme.txt')).bytes();
    await vi.waitFor(async () => expect(await kept()).toHaveLength(1));
    const told = JSON.stringify([await caches.keys(), await kept()]);
    for (const secret of [alice, 'alice', 'vision', 'readme', 'cats']) {
      expect(told).not.toContain(secret);
    }
  });

  test('is asked for by another user', async () => {
    await (await open(counted())).bytes();
    if (stores) await vi.waitFor(async () => expect(await kept()).toHaveLength(1));
    const other = counted({ token: bob });
    await (await open(other)).bytes();
    expect(other.read).toHaveLength(1);
  });

  test('is asked for by another user of the same client', async () => {
    let token = alice;
    const client = counted({ token: () => token });
    const file = await open(client);
    await file.bytes();
    token = bob;
    // the first is refused, as one that is revoked is
    await refuseOnce(client, alice);
    await file.bytes();
    expect(client.read).toHaveLength(2);
  });

  test('is kept for nobody, when the token becomes that of another while it is read', async () => {
    const refused = new Set<string>();
    const revoking: typeof fetch = async (input, init) => {
      const token = new Headers(init?.headers).get('Authorization')?.slice(7) ?? '';
      return refused.has(token) ? new Response(null, { status: 401 }) : fetch(input, init);
    };
    let token = alice;
    const client = counted({ token: () => token, fetch: revoking });
    const file = await open(client);
    await (await open(client, 'readme.txt')).bytes();
    const change = (from: string, to: string): void => {
      refused.clear();
      refused.add(from);
      token = to;
    };
    change(alice, bob);
    await file.bytes(); // begun as alice, and read as bob
    change(bob, alice);
    await client.getSpaces();
    await file.bytes();
    expect(client.read.filter((path) => path.endsWith('0001.bin'))).toHaveLength(3);
  });
});

/** Let the server refuse a token once, so that the client asks for another. */
async function refuseOnce(client: Client, token: string): Promise<void> {
  let refused = 0;
  const real = globalThis.fetch;
  vi.stubGlobal('fetch', (input: RequestInfo, init?: RequestInit) => {
    const sent = new Headers(init?.headers).get('Authorization');
    if (sent?.endsWith(token) && refused++ === 0) {
      return Promise.resolve(new Response(null, { status: 401 }));
    }
    return real(input, init);
  });
  await client.getSpaces();
  expect(refused).toBe(1);
  vi.unstubAllGlobals();
}

test('ranges that the browser keeps are given to nobody else', async () => {
  const slices = connect({ cache: { memory: 0, stored: 0 } });
  const file = await open(slices);
  for (let again = 0; again < 2; again++) expect((await file.slice(0, 9)).byteLength).toBe(9);
  const { stranger } = inject('server').versions;
  for (const token of [stranger, undefined]) {
    const theirs = through('', file, { baseUrl: slices.baseUrl, token });
    expect(await failure(theirs.slice(0, 9))).toBeInstanceOf(
      token ? NotFoundError : UnauthenticatedError,
    );
    expect(await failure(theirs.bytes())).toBeInstanceOf(StorageError);
  }
  expect((await through('', file, { baseUrl: slices.baseUrl, token: bob }).slice(0, 9))[8]).toBe(8);
});

describe('what is kept', () => {
  test.runIf(stores)('is verified when it is read', async () => {
    const file = await open(counted());
    await file.bytes();
    await vi.waitFor(async () => expect(await kept()).toHaveLength(1));
    const [name = ''] = (await caches.keys()).filter((one) => one.startsWith('klarity-storage/'));
    const [key = ''] = await kept();
    await (await caches.open(name)).put(key, new Response(new Uint8Array(4096)));
    const client = counted();
    expect((await (await open(client)).bytes())[1]).toBe(1);
    expect(client.read).toHaveLength(1);
  });

  test.runIf(stores)('is bounded: what was used longest ago goes', async () => {
    const client = counted({ cache: { memory: 0, stored: 1100 } });
    const [weights] = await (await client.getVersion('vision/models/net')).files();
    await weights?.bytes();
    await (await open(client, 'train/masks/0001.bin')).bytes();
    await vi.waitFor(async () => expect(await kept()).toHaveLength(2));
    await weights?.bytes();
    await (await open(client, 'info.json')).bytes();
    await vi.waitFor(async () => {
      const sizes = (await kept()).map((url) => Number(url.split('/').pop()));
      expect(sizes).toEqual([1000, 39]);
    });
    await (await open(client)).bytes(); // larger than all that may be kept
    expect(client.read).toHaveLength(4);
  });

  test.runIf(stores)('makes room for what comes', async () => {
    const client = counted({ cache: { memory: 0, stored: 5000 } });
    await (await open(client)).bytes();
    await vi.waitFor(async () => expect(await kept()).toHaveLength(1));
    const net = await (await client.getVersion('vision/models/net')).files();
    await net[0]?.bytes();
    await vi.waitFor(async () => expect((await kept())[0]).toMatch(/\/1000$/));
    expect(await kept()).toHaveLength(1);
  });

  test('is nothing, where nothing is to be kept', async () => {
    const client = counted({ cache: 'none' });
    const file = await open(client);
    await file.bytes();
    await file.bytes();
    expect(client.read).toHaveLength(2);
    expect(await kept()).toEqual([]);
  });

  test('is in memory alone, where the browser is not to keep it', async () => {
    const client = counted({ cache: 'memory' });
    const file = await open(client);
    await file.bytes();
    await file.bytes();
    expect(client.read).toHaveLength(1);
    expect(await kept()).toEqual([]);
  });

  test('in memory is bounded, and the last is kept', () => {
    const recent = new Recent(80);
    for (let at = 0; at < 20; at++) recent.put(String(at), new Uint8Array(10));
    recent.put('large', new Uint8Array(11));
    expect(recent.get('large')).toBeUndefined();
    expect(recent.get('11')).toBeUndefined();
    expect(recent.get('12')).toEqual(new Uint8Array(10));
    recent.put('20', new Uint8Array(10));
    expect(recent.get('12')).toBeDefined();
    expect(recent.get('13')).toBeUndefined();
  });
});

describe('where the page has less', () => {
  test('no Cache API: files are kept in memory', async () => {
    vi.stubGlobal('caches', undefined);
    const client = counted();
    const file = await open(client);
    await file.bytes();
    await file.bytes();
    expect(client.read).toHaveLength(1);
    await client.logout();
  });

  test('a Cache API that refuses: files are read all the same', async () => {
    const refuse = () => Promise.reject(new DOMException('no', 'SecurityError'));
    vi.stubGlobal('caches', { open: refuse, keys: refuse, delete: refuse });
    const client = counted({ cache: { memory: 0 } });
    expect((await (await open(client)).bytes()).byteLength).toBe(4096);
    await client.logout();
  });

  test('a disk that is full: files are read all the same', async () => {
    const full = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    const none = () => Promise.resolve(undefined);
    const cache = { put: full, match: none, keys: () => Promise.resolve([]), delete: none };
    vi.stubGlobal('caches', {
      open: () => Promise.resolve(cache),
      keys: () => Promise.resolve([]),
    });
    const client = counted({ cache: { memory: 0 } });
    expect((await (await open(client)).bytes()).byteLength).toBe(4096);
    await client.logout();
  });

  test('no WebCrypto, as in pages that came by http: files are verified', async () => {
    vi.stubGlobal('crypto', {});
    expect((await (await open(counted())).bytes()).byteLength).toBe(4096);
    const file = through('damaged', await open(connect()));
    expect(await failure(file.bytes())).toBeInstanceOf(IntegrityError);
  });
});

describe('logging out', () => {
  test('empties what is kept, for whomever, and ends the client', async () => {
    await (await open(counted({ token: bob }))).bytes();
    const client = counted();
    const file = await open(client);
    await file.bytes();
    await client.logout();
    expect(await kept()).toEqual([]);
    expect(await failure(file.bytes())).toBeInstanceOf(UnauthenticatedError);
    expect(await failure(client.getSpaces())).toMatchObject({ status: 0 });
    expect(client.read).toHaveLength(1);
  });

  test('leaves nothing of what is being read', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      if (String(input).endsWith('0001.bin') && init?.method === 'GET') await released;
      return answer;
    };
    const client = counted({ fetch: slow });
    const reading = (await open(client)).bytes();
    await vi.waitFor(() => expect(client.read).toHaveLength(1));
    await client.logout();
    release();
    await reading.catch(() => undefined);
    expect(await kept()).toEqual([]);
  });
});
