import type { Table } from '@uwdata/flechette';
import type { Core } from '../client/core.ts';
import type { TableKey } from './ask.ts';
import { type Found, findCount, findRows } from './choose.ts';
import { checkNumbers } from './query/numbers.ts';
import type { RowQuery, Selection, TableQuery } from './query/query.ts';
import { wireQuery } from './query/wire.ts';
import type { Row } from './rows/row.ts';

const END: Uint8Array = new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0]);

/** Rows as they come. */
export async function* iterRows(
  core: Core,
  key: TableKey,
  query: RowQuery,
): AsyncGenerator<Row, void, undefined> {
  const { messages, rowsOf, tables } = await import('./arrow/index.ts');
  const found = await find(core, key, query);
  const parts = 'stream' in found ? tables(messages(found.stream, found)) : found.tables;
  for await (const table of parts) {
    query.signal?.throwIfAborted();
    yield* rowsOf(table, query);
  }
}

/** All rows as one table of Arrow. */
export async function arrow(core: Core, key: TableKey, query: TableQuery): Promise<Table> {
  const { decoded, joinedTables, messages } = await import('./arrow/index.ts');
  const found = await find(core, key, query);
  if ('stream' in found) return decoded(await all(messages(found.stream, found)));
  return joinedTables(await all(found.tables));
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
      cancel(reason) {
        left.abort(reason);
        parts.return().catch(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** How many rows a query has. */
export async function count(core: Core, key: TableKey, query: Selection): Promise<number> {
  const { version, filter } = query;
  const wire = wireQuery({ version, filter });
  await checkNumbers(core, key, wire, query);
  const found = await findCount({ core, key, wire, options: query });
  if ('rows' in found) return found.rows;
  const { decoded, messages } = await import('./arrow/index.ts');
  const table = decoded(await all(messages(found.stream, found)));
  return Number(table.children[0]?.at(0));
}

async function* ipc(
  core: Core,
  key: TableKey,
  query: TableQuery,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { messages } = await import('./arrow/index.ts');
  const found = await find(core, key, query);
  if ('stream' in found) {
    for await (const { bytes } of messages(found.stream, found)) yield bytes;
  } else {
    const { encoded } = await import('./arrow/encode.ts');
    yield* encoded(found.tables);
  }
  yield END;
}

async function find(core: Core, key: TableKey, query: TableQuery): Promise<Found> {
  const wire = wireQuery(query);
  await checkNumbers(core, key, wire, query);
  return await findRows({ core, key, wire, options: query });
}

async function all<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const part of parts) found.push(part);
  return found;
}
