import type { Table } from '@uwdata/flechette';
import type { Core } from '../client/core.ts';
import { BusyError, QueryLimitError } from '../errors/index.ts';
import { type Answer, ask, type TableKey } from './ask.ts';
import type { Reading } from './parquet/index.ts';
import { type Listing, listFiles } from './parquet/plan.ts';
import type { Selection } from './query/query.ts';
import { refused, type WireQuery } from './query/wire.ts';

/** Rows of a table that is read whole, from which on its files are read: they may be kept. */
const BULK = 100_000;

/** What of a query was asked, and how. */
export interface Asked {
  core: Core;
  key: TableKey;
  wire: WireQuery;
  options: Selection;
}

/** Rows of the server's query, or of the files. */
export type Found = Answer | { tables: AsyncIterable<Table> };

/**
 * Find the rows of a query where they are read best.
 *
 * The server finds few of many with the fewest bytes; a table that is read whole need not pass
 * through it. Where it has no turn, or too many rows, the files are read; where those do not tell
 * all, the server is asked.
 *
 * @throws InvalidQueryError the query cannot be, or the files cannot be read and are to be
 */
export async function findRows(asked: Asked): Promise<Found> {
  const { wire, options } = asked;
  const { source = 'auto' } = options;
  if (source === 'server') return await askServer(asked);
  if (source === 'parquet') return { tables: await direct(asked, await listing(asked)) };
  const whole = !wire.filter && !wire.order_by?.length && wire.limit === undefined;
  if (!whole) return await serverFirst(asked, findRows);
  const found = await listing(asked);
  const rows = found.files.reduce((sum, file) => sum + (file.rows ?? 0), 0);
  const pinned = { ...asked, wire: { ...wire, version: found.version } };
  if (!found.direct || rows < BULK) return await askServer(pinned);
  return await filesFirst(pinned, found);
}

/** The number of rows, or what tells it. */
export async function findCount(asked: Asked): Promise<Answer | { rows: number }> {
  const { core, key, wire, options } = asked;
  const { source = 'auto' } = options;
  if (source !== 'parquet') {
    const count = (): Promise<Answer> => ask(core, key, { ...wire, count: true }, options);
    if (source === 'server') return await count();
    return await serverFirst(asked, findCount, count);
  }
  const { countRows, Unreadable } = await import('./parquet/index.ts');
  const reading = readable(asked, await listing(asked));
  try {
    return { rows: await countRows(reading) };
  } catch (error) {
    throw error instanceof Unreadable ? unreadable(asked, error.message) : error;
  }
}

/** Of the server, unless it has no turn for the query: then of the files, where they tell all. */
async function serverFirst<T>(
  asked: Asked,
  find: (asked: Asked) => Promise<T>,
  ask: (asked: Asked) => Promise<Answer> = askServer,
): Promise<Answer | T> {
  try {
    return await ask(asked);
  } catch (error) {
    if (!(error instanceof BusyError || error instanceof QueryLimitError)) throw error;
    const { direct } = await listing(asked);
    if (!direct) throw error;
    return await find({ ...asked, options: { ...asked.options, source: 'parquet' } });
  }
}

async function filesFirst(asked: Asked, found: Listing): Promise<Found> {
  const { Unreadable } = await import('./parquet/index.ts');
  try {
    return { tables: await direct(asked, found, false) };
  } catch (error) {
    if (error instanceof Unreadable) return await askServer(asked);
    throw error;
  }
}

/** Rows of the files, of which the first have come. */
async function direct(
  asked: Asked,
  found: Listing,
  named: boolean = true,
): Promise<AsyncIterable<Table>> {
  const { read, Unreadable } = await import('./parquet/index.ts');
  const tables = read(readable(asked, found));
  const told = (error: unknown): unknown =>
    error instanceof Unreadable ? unreadable(asked, error.message) : error;
  let first: IteratorResult<Table, void>;
  try {
    first = await tables.next();
  } catch (error) {
    throw named ? told(error) : error;
  }
  return (async function* () {
    try {
      if (!first.done) yield first.value;
      yield* tables;
    } catch (error) {
      throw told(error);
    } finally {
      await tables.return();
    }
  })();
}

function readable(asked: Asked, found: Listing): Reading {
  const { core, key, wire, options } = asked;
  if (!found.direct) throw unreadable(asked, 'rows are marked as deleted, or columns are mapped');
  return { core, key, listing: found, query: wire, options };
}

function unreadable({ key }: Asked, why: string): Error {
  return refused(
    `The files of ${key.space}/tables/${key.name} cannot be read directly: ${why}.`,
    "Ask with source: 'auto' or 'server'.",
  );
}

function listing({ core, key, wire, options }: Asked): Promise<Listing> {
  const { signal, timeout } = options;
  return listFiles(core, key, { signal, timeout, version: wire.version });
}

function askServer({ core, key, wire, options }: Asked): Promise<Answer> {
  return ask(core, key, wire, options);
}
