import { describe, expect, inject, test } from 'vitest';
import {
  type DataTable,
  IntegrityError,
  InvalidQueryError,
  NetworkError,
  QueryLimitError,
  StorageError,
  TimedOutError,
  UnauthenticatedError,
} from '../../src/index.ts';
import { messages } from '../../src/tables/arrow/messages.ts';
import { altered, faulty } from './faulty.ts';
import { failure, open } from './open.ts';

const QUERY = /\/query$/;
const FILE = /\/files\/plots\//;

/** Every way to rows, each to its end. */
function ways(table: DataTable, source: 'server' | 'parquet'): (() => Promise<unknown>)[] {
  const iterate = async (): Promise<void> => {
    for await (const row of table.iterRows({ source })) if (!row) return;
  };
  // not by a Response: Chromium's hides what a stream failed with
  const drain = async (): Promise<void> => {
    const reader = table.getArrowStream({ source }).getReader();
    while (!(await reader.read()).done);
  };
  return [
    () => table.getRows({ source }),
    () => table.getArrow({ source }),
    iterate,
    drain,
    () => table.count({ source, filter: { op: '>', column: 'n', value: 3 } }),
  ];
}

describe('an answer of the server', () => {
  test.each([
    ['broken', NetworkError],
    ['stalled', TimedOutError],
    ['silent', TimedOutError],
    ['portal', StorageError],
    ['gateway', StorageError],
    ['damaged', StorageError],
    ['shorter', StorageError],
  ])('that is %s is a named error', async (fault, kind) => {
    const table = await faulty('numbers', fault, QUERY, { stall: 300 });
    const short = { timeout: 2_000, source: 'server' as const };
    if (fault === 'silent') {
      expect(await failure(table.getRows(short))).toBeInstanceOf(kind);
      return;
    }
    for (const way of ways(table, 'server')) expect(await failure(way())).toBeInstanceOf(kind);
  });

  test('that ends in a problem is that error', async () => {
    const { bytes } = await first();
    const text = { code: 'query_limit', detail: 'The answer has too many rows.', status: 422 };
    const problem = new TextEncoder().encode(JSON.stringify({ ...text, request_id: 'r1' }));
    const head = new Uint8Array(new Int32Array([-1, problem.byteLength + 1]).buffer);
    const whole = new Blob([bytes as BlobPart, head, problem]).stream();
    const read = async (): Promise<void> => {
      for await (const message of messages(whole, { requestId: 'r0' })) expect(message.kind);
    };
    const told = await failure(read());
    expect(told).toBeInstanceOf(QueryLimitError);
    expect(told).toMatchObject({ message: text.detail, requestId: 'r1', status: 422 });
  });

  test('may end anywhere', async () => {
    const { bytes } = await first();
    for (let end = 0; end < bytes.byteLength; end += 7) {
      const read = async (): Promise<void> => {
        const cut = new Blob([bytes.subarray(0, end) as BlobPart]).stream();
        for await (const _ of messages(cut, { requestId: undefined }));
      };
      expect(await failure(read())).toBeInstanceOf(NetworkError);
    }
  });
});

describe('a file', () => {
  test.each([
    ['broken', NetworkError],
    ['stalled', TimedOutError],
    ['portal', IntegrityError],
    ['damaged', IntegrityError],
    ['shorter', IntegrityError],
  ])('that is %s is a named error', async (fault, kind) => {
    const table = await faulty('numbers', fault, FILE, { stall: 300 });
    for (const way of ways(table, 'parquet').slice(0, 4)) {
      expect(await failure(way())).toBeInstanceOf(kind);
    }
  });

  test('of a proxy that knows no ranges is read all the same', async () => {
    const table = await faulty('numbers', 'rangeless', FILE);
    const rows = await table.getRows({ source: 'parquet', limit: 2, offset: 19_998 });
    expect(rows.map(({ n }) => n)).toEqual([19_998, 19_999]);
  });

  test('with other bytes is refused, or has other values: nothing hangs or grows', async () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const table = await altered('types', async (url, init) => {
      const answer = await globalThis.fetch(url, init);
      if (!FILE.test(url)) return answer;
      const body = new Uint8Array(await answer.arrayBuffer());
      for (let hit = 0; hit < 3; hit++) body[random(body.length)] = random(256);
      return new Response(body, { status: answer.status, headers: answer.headers });
    });
    let refused = 0;
    for (let round = 0; round < 60; round++) {
      const told = await failure(table.getRows({ source: 'parquet' }));
      if (told === 'no failure') continue;
      expect(told).toBeInstanceOf(StorageError);
      refused++;
    }
    expect(refused).toBeGreaterThan(5);
  });
});

test('a token that is revoked in the middle ends the rows', async () => {
  const { faults } = inject('server');
  const asked = await fetch(`${faults}/admin/v1/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user: 'dora' }),
  });
  const {
    secret: token,
    token: { id },
  } = await asked.json();
  let ranges = 0;
  const revoking = async (url: string, init: RequestInit): Promise<Response> => {
    // behind the first file's end, where its footer stands
    if (FILE.test(url) && ++ranges === 2) {
      await fetch(`${faults}/admin/v1/tokens/${id}`, { method: 'DELETE' });
    }
    return await globalThis.fetch(url, init);
  };
  const table = await altered('pieces', revoking, { token });
  const told = await failure(table.getRows({ source: 'parquet' }));
  expect(told).toBeInstanceOf(UnauthenticatedError);
  expect(await failure(table.getRows({ source: 'server' }))).toBeInstanceOf(UnauthenticatedError);
});

test('a call that is aborted rejects with its reason, at any time', async () => {
  const table = await open('numbers');
  for (const source of ['server', 'parquet'] as const) {
    const reason = new Error('not any more');
    const early = AbortSignal.abort(reason);
    expect(await failure(table.getRows({ source, signal: early }))).toBe(reason);
    const abort = new AbortController();
    const later = (async () => {
      for await (const { n } of table.iterRows({ source, signal: abort.signal })) {
        if (n === 100) abort.abort(reason);
      }
    })();
    const told = await failure(later);
    expect([reason, 'no failure']).toContain(told);
  }
});

test('what cannot be asked of files is refused as the server refuses it', async () => {
  const table = await open('types');
  const filters = [
    { op: '=', column: 'prise', value: 1 },
    { op: '=', column: 'id', value: 'one' },
    { op: '=', column: 'yes', value: 1 },
    { op: '=', column: 'bytes', value: 'a' },
    { op: '=', column: 'parts', value: null },
    { op: '<', column: 'day', value: '2024-02-30' },
    { op: '<', column: 'at', value: 'noon' },
    { op: '<', column: 'local', value: '2024-01-01T00:00:00Z' },
    { op: '=', column: 'price', value: 'NaN' },
    { op: '=', column: 'id', value: '9223372036854775808' },
    { op: 'like', column: 'id', pattern: '1%' },
  ];
  for (const filter of filters) {
    for (const source of ['server', 'parquet'] as const) {
      const told = await failure(table.getRows({ filter: filter as never, source }));
      expect(told, `${source} ${JSON.stringify(filter)}`).toBeInstanceOf(InvalidQueryError);
      if (filter.column === 'prise') expect((told as Error).message).toContain("'price'");
    }
  }
});

test.each(['marked', 'mapped'])(
  'a table whose rows are %s is read by the server, and by no other way',
  async (name) => {
    const table = await open(name);
    const all = await table.getRows({ orderBy: ['id'] });
    expect(all.map(({ id }) => id)).toEqual([0, 3, 4]);
    const told = await failure(table.getRows({ source: 'parquet' }));
    expect(told).toBeInstanceOf(InvalidQueryError);
    expect((told as InvalidQueryError).hint).toContain('server');
  },
);

async function first(): Promise<{ bytes: Uint8Array }> {
  const table = await open('numbers');
  const stream = table.getArrowStream({ limit: 5, source: 'server' });
  const whole = new Uint8Array(await new Response(stream).arrayBuffer());
  return { bytes: whole.subarray(0, whole.byteLength - 8) };
}
