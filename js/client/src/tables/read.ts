import type { Table } from '@uwdata/flechette';
import type { Core } from '../client/core.ts';
import { answer, ending } from '../http/api.ts';
import { type Answer, ask, type TableKey } from './ask.ts';
import type { RowQuery, Selection, TableQuery } from './query/query.ts';
import { refused, unsafeNumbers, type WireQuery, wireQuery } from './query/wire.ts';
import type { Row } from './rows/rows.ts';

/** Rows as they come. */
export async function* iterRows(
  core: Core,
  key: TableKey,
  query: RowQuery,
): AsyncGenerator<Row, void, undefined> {
  const { messages, tables, rowsOf } = await import('./arrow/index.ts');
  const answered = await opened(core, key, query);
  for await (const table of tables(messages(answered.stream, answered))) {
    yield* rowsOf(table, query);
  }
}

/** All rows as one table of Arrow. */
export async function arrow(core: Core, key: TableKey, query: TableQuery): Promise<Table> {
  const { messages, decoded } = await import('./arrow/index.ts');
  const answered = await opened(core, key, query);
  const parts = [];
  for await (const message of messages(answered.stream, answered)) parts.push(message);
  return decoded(parts);
}

/** Rows as an IPC stream, which ends with its marker or fails. */
export function arrowStream(
  core: Core,
  key: TableKey,
  query: TableQuery,
): ReadableStream<Uint8Array> {
  const left = new AbortController();
  const signal = query.signal ? AbortSignal.any([query.signal, left.signal]) : left.signal;
  const parts = ipc(core, key, { ...query, signal });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(reason) {
        left.abort(reason);
        await parts.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** How many rows a query has. */
export async function count(core: Core, key: TableKey, query: Selection): Promise<number> {
  const { messages, decoded } = await import('./arrow/index.ts');
  const { version, filter, signal, timeout } = query;
  const wire = await checked(core, key, { version, filter, signal, timeout });
  const answered = await ask(core, key, { ...wire, count: true }, query);
  const parts = [];
  for await (const message of messages(answered.stream, answered)) parts.push(message);
  return Number(decoded(parts).children[0]?.at(0));
}

async function* ipc(
  core: Core,
  key: TableKey,
  query: TableQuery,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { messages } = await import('./arrow/index.ts');
  const answered = await opened(core, key, query);
  for await (const { bytes } of messages(answered.stream, answered)) yield bytes;
  yield new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0]);
}

async function opened(core: Core, key: TableKey, query: TableQuery): Promise<Answer> {
  return await ask(core, key, await checked(core, key, query), query);
}

/** The query as it is sent, once its numbers are known to be exact. */
async function checked(core: Core, key: TableKey, query: TableQuery): Promise<WireQuery> {
  const wire = wireQuery(query);
  const unsafe = wire.filter ? [...unsafeNumbers(wire.filter)] : [];
  if (unsafe.length === 0) return wire;
  const params = { path: { space: key.space, table: key.name } };
  const asked = core.api.GET('/v1/spaces/{space}/tables/{table}', { params, ...ending(query) });
  const { columns } = await answer(asked);
  for (const { column, value } of unsafe) {
    const type = columns.find(({ name }) => name === column)?.type ?? '';
    if (/^(byte|short|integer|long|decimal)/.test(type)) {
      throw refused(
        `The number ${value} for the column ${JSON.stringify(column)} is beyond 2^53: JavaScript ` +
          'has rounded it.',
        `Write it as a bigint: ${BigInt(value)}n.`,
      );
    }
  }
  return wire;
}
