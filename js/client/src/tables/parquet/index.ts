// What is loaded when a table's Parquet files are first read.
import type { Table } from '@uwdata/flechette';
import type { Core } from '../../client/core.ts';
import type { CallOptions } from '../../http/http.ts';
import type { TableKey } from '../ask.ts';
import type { WireQuery } from '../query/wire.ts';
import { arrowTable } from './arrow.ts';
import { type Compiled, compile, findField } from './filter/compile.ts';
import type { Listing } from './plan.ts';
import type { Chunk } from './scan/chunk.ts';
import { cutChunk, scan } from './scan/scan.ts';
import { sorted } from './scan/sorted.ts';
import { type Field, readFields } from './schema.ts';

export { Unreadable } from './decode/convert.ts';

/** A query of a version's files. */
export interface Reading {
  core: Core;
  key: TableKey;
  listing: Listing;
  query: WireQuery;
  options: CallOptions;
}

/** Rows as tables of Arrow, as they come: one at least, which tells the columns. */
export async function* read(reading: Reading): AsyncGenerator<Table, void, undefined> {
  const { listing, query } = reading;
  const fields = readFields(listing.columns);
  const columns = query.columns?.map((name) => findField(name, fields)) ?? fields;
  let any = false;
  for await (const chunk of chunksOf(reading, fields, columns)) {
    any = true;
    yield arrowTable(columns, [chunk]);
  }
  if (!any) yield arrowTable(columns, []);
}

/** How many rows there are. */
export async function countRows(reading: Reading): Promise<number> {
  const fields = readFields(reading.listing.columns);
  let rows = 0;
  for await (const chunk of chunksOf(reading, fields, [])) rows += chunk.rows;
  return rows;
}

async function* chunksOf(
  { core, key, listing, query, options }: Reading,
  fields: readonly Field[],
  columns: readonly Field[],
): AsyncGenerator<Chunk, void, undefined> {
  const filter: Compiled | undefined = query.filter && compile(query.filter, fields);
  const { offset = 0, limit = Number.POSITIVE_INFINITY, order_by: order = [] } = query;
  const whole = { core, key, listing, filter, options };
  if (order.length === 0) {
    yield* scan({ ...whole, columns, offset, limit });
    return;
  }
  const by = order.map(({ column }) => findField(column, fields));
  const needed = [...new Set([...columns, ...by])];
  const chunks = scan({ ...whole, columns: needed, offset: 0, limit: Number.POSITIVE_INFINITY });
  const found = await sorted(chunks, needed, order, offset + limit);
  const rows = Math.max(found.rows - offset, 0);
  if (rows === 0) return;
  const cut = cutChunk(found, offset, found.rows);
  yield { rows, columns: columns.map((field) => cut.columns[needed.indexOf(field)] as never) };
}
