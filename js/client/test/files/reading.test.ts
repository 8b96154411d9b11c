import { describe, expect, inject, test } from 'vitest';
import {
  type ClientOptions,
  IntegrityError,
  InternalError,
  InvalidInputError,
  NetworkError,
  PreconditionFailedError,
  type StoredFile,
  TimedOutError,
  UnauthenticatedError,
} from '../../src/index.ts';
import { admin, connect, failure } from '../connect.ts';
import { through as failing } from '../through.ts';

const { versions } = inject('server');
const LARGE = 4 << 20;

const listed = connect()
  .getVersion(`vision/datasets/cats@${versions.second}`)
  .then((version) => version.files());

async function open(path: string): Promise<StoredFile> {
  const file = (await listed).find((one) => one.path === path);
  if (!file) throw new Error(path);
  return file;
}

async function through(
  fault: string,
  path: string,
  options: Partial<ClientOptions> = {},
): Promise<StoredFile> {
  return failing(fault, await open(path), options);
}

async function drained(stream: ReadableStream<Uint8Array>): Promise<number> {
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return size;
    size += value.byteLength;
  }
}

describe('a file is read', () => {
  test('whole', async () => {
    expect(await (await open('readme.txt')).text()).toBe('cats, and more cats\n');
    const info = await open('info.json');
    expect(await info.json<{ count: number }>()).toMatchObject({ count: 2 });
    const blob = await info.blob();
    expect([blob.type, blob.size]).toEqual(['application/json', info.size]);
    const bytes = await (await open('train/0001.bin')).bytes();
    expect(bytes).toEqual(Uint8Array.from({ length: 4096 }, (_, at) => at % 256));
    expect(await (await open('empty.bin')).bytes()).toEqual(new Uint8Array());
    expect(await (await open('empty.bin')).text()).toBe('');
  });

  test('in slices, as arrays are', async () => {
    for (const cache of ['none', 'memory'] as const) {
      const file = await through('none', 'train/0001.bin', { cache });
      if (cache === 'memory') await file.bytes();
      expect(await file.slice(10, 13)).toEqual(Uint8Array.of(10, 11, 12));
      expect(await file.slice(-2)).toEqual(Uint8Array.of(254, 255));
      expect(await file.slice(4094, 9999)).toEqual(Uint8Array.of(254, 255));
      expect(await file.slice(7, 7)).toEqual(new Uint8Array());
      expect(await file.slice(9, 7)).toEqual(new Uint8Array());
      expect((await file.slice()).byteLength).toBe(4096);
    }
  });

  test('as a stream', async () => {
    for (const cache of ['none', 'memory'] as const) {
      const file = await through('none', 'large.bin', { cache });
      expect(await drained(await file.stream())).toBe(LARGE);
      expect(await drained(await (await through('none', 'empty.bin')).stream())).toBe(0);
    }
  });

  test('as a stream that its reader leaves', async () => {
    const stream = await (await through('none', 'large.bin')).stream();
    const reader = stream.getReader();
    expect((await reader.read()).done).toBe(false);
    await reader.cancel();
    expect((await reader.read()).done).toBe(true);
  });

  test('at an address of the page', async () => {
    const { url, revoke } = await (await open('readme.txt')).objectUrl();
    expect(url).toMatch(/^blob:/);
    expect(await (await fetch(url)).text()).toBe('cats, and more cats\n');
    revoke();
    await expect(fetch(url)).rejects.toThrow();
  });

  test('by a proxy that knows no ranges', async () => {
    const file = await through('rangeless', 'train/0001.bin');
    expect(await file.slice(0, 2)).toEqual(Uint8Array.of(0, 1));
  });
});

describe('a file is not handed over', () => {
  const ways: Record<string, (file: StoredFile, signal?: AbortSignal) => Promise<unknown>> = {
    bytes: (file, signal) => file.bytes({ signal }),
    blob: (file, signal) => file.blob({ signal }),
    text: (file, signal) => file.text({ signal }),
    stream: async (file, signal) => drained(await file.stream({ signal })),
  };
  for (const [way, read] of Object.entries(ways)) {
    test(`that is damaged: ${way}`, async () => {
      expect(await failure(read(await through('damaged', 'train/0001.bin')))).toBeInstanceOf(
        IntegrityError,
      );
    });

    test(`that broke off: ${way}`, async () => {
      for (const fault of ['broken', 'shorter']) {
        const error = await failure(read(await through(fault, 'large.bin')));
        expect(error).toBeInstanceOf(NetworkError);
      }
    });

    test(`that does not come: ${way}`, async () => {
      const error = await failure(read(await through('stalled', 'large.bin', { stall: 100 })));
      expect(error).toBeInstanceOf(TimedOutError);
    });

    test(`that its caller does not want any more: ${way}`, async () => {
      const file = await through('stalled', 'large.bin');
      const signal = AbortSignal.timeout(300);
      expect(await failure(read(file, signal))).toBe(signal.reason);
    });
  }

  test('where the damage is not at the end, before its last piece', async () => {
    const stream = await (await through('damaged', 'large.bin')).stream();
    let size = 0;
    const error = await failure(
      (async () => {
        for (const reader = stream.getReader(); ; )
          size += (await reader.read()).value?.length ?? 0;
      })(),
    );
    expect(error).toBeInstanceOf(IntegrityError);
    expect(size).toBeLessThan(LARGE);
  });

  test('in a slice that broke off, or is another', async () => {
    const broken = await through('broken', 'train/0001.bin');
    expect(await failure(broken.slice(0, 100))).toBeInstanceOf(NetworkError);
    const other = await through('otherrange', 'train/0001.bin');
    expect(await failure(other.slice(0, 100))).toBeInstanceOf(InternalError);
  });

  test('where the server has another at its address', async () => {
    const changed = await through('changed', 'readme.txt');
    expect(await failure(changed.bytes())).toBeInstanceOf(PreconditionFailedError);
    expect(await failure(changed.slice(0, 2))).toBeInstanceOf(PreconditionFailedError);
  });

  test('as JSON, where it is none', async () => {
    const error = await failure((await open('readme.txt')).json());
    expect(error).toBeInstanceOf(InvalidInputError);
  });
});

test('a token that is revoked in the midst of slices', async () => {
  const made = await admin('POST', '/v1/tokens', { user: 'bob' });
  const asked: number[] = [];
  const token = (): string => {
    asked.push(1);
    return made.secret as string;
  };
  const client = connect({ token, cache: 'none' });
  const file = await (await client.getVersion('vision/datasets/cats')).openFile('large.bin');
  expect(await file.slice(4, 8)).toEqual(Uint8Array.of(1, 0, 0, 0));
  await admin('DELETE', `/v1/tokens/${(made.token as { id: string }).id}`);
  expect(await failure(file.slice(8, 12))).toBeInstanceOf(UnauthenticatedError);
  expect(asked).toHaveLength(2);
});
