import type { RowGroup } from 'hyparquet';
import type { Core } from '../../../client/core.ts';
import type { CallOptions } from '../../../http/http.ts';
import type { TableKey } from '../../ask.ts';
import { leavesOf } from '../decode/node.ts';
import { taken, type Vector } from '../decode/vector.ts';
import { type OpenFile, openFile } from '../file/footer.ts';
import { chunk } from '../file/pages.ts';
import type { Range } from '../file/ranges.ts';
import { type Compiled, columnsIn } from '../filter/compile.ts';
import { matching } from '../filter/evaluate.ts';
import type { Listing, TableFile } from '../plan.ts';
import type { Field } from '../schema.ts';
import type { Chunk } from './chunk.ts';
import { readColumns, toldOf } from './columns.ts';
import { constant } from './constant.ts';
import { inOrder } from './in-order.ts';
import { candidates, fileMayHold } from './steps.ts';

/** Bytes of decoded values of one step, about: what is held at once is some of them. */
const STEP = 8 << 20;

/** Matching rows that lie farther from each other are read apart. */
const APART = 8_192;

/** Pieces in which the rows of a step are read at most. */
const PIECES = 16;

/** What is read of a table. */
export interface Scan {
  core: Core;
  key: TableKey;
  listing: Listing;
  columns: readonly Field[];
  filter: Compiled | undefined;
  /** Rows to leave out at first, and how many there are to be. */
  offset: number;
  limit: number;
  options: CallOptions;
}

interface Step {
  file: TableFile;
  open: OpenFile;
  group: RowGroup;
  rows: Range;
}

/** Rows of a table, in the order of its files. */
export async function* scan(given: Scan): AsyncGenerator<Chunk, void, undefined> {
  let { offset, limit } = given;
  if (limit === 0) return;
  // what may not be needed is not fetched ahead
  const ahead = Number.isFinite(limit) && given.filter ? 1 : 3;
  const { filter, options } = given;
  const left = { offset: filter ? 0 : offset, limit: filter ? Number.POSITIVE_INFINITY : limit };
  const work = steps(given, left);
  const read = (step: Step): Promise<Chunk[]> =>
    toldOf(step.file.path, readStep(given, step), options.signal);
  if (!filter) offset = 0; // the steps leave those rows out
  for await (const chunks of inOrder(work, read, ahead, options.signal)) {
    for (const { rows, columns } of chunks) {
      const start = Math.min(offset, rows);
      const end = Math.min(rows, start + limit);
      offset -= start;
      limit -= end - start;
      if (end > start) yield cutChunk({ rows, columns }, start, end);
      if (limit === 0) return;
    }
  }
}

export function cutChunk(chunk: Chunk, start: number, end: number): Chunk {
  if (start === 0 && end === chunk.rows) return chunk;
  const indices = Int32Array.from({ length: end - start }, (_, at) => start + at);
  return { rows: end - start, columns: chunk.columns.map((column) => taken(column, indices)) };
}

/** The pieces of work, one after the other: files are opened when they are reached. */
async function* steps(
  { core, key, listing, columns, filter, options }: Scan,
  left: { offset: number; limit: number },
): AsyncGenerator<Step, void, undefined> {
  for (const file of listing.files) {
    if (left.limit <= 0) return;
    if (filter && !fileMayHold(filter, file)) continue;
    if (!filter && file.rows !== null && file.rows <= left.offset) {
      left.offset -= file.rows;
      continue;
    }
    const of = { core, key, path: file.path, size: file.size };
    const open = await toldOf(file.path, openFile(of, options), options.signal);
    for (const group of open.groups) {
      const whole = [{ start: 0, end: Number(group.num_rows) }];
      const ranges = filter
        ? await toldOf(
            file.path,
            candidates(open, group, filter, listing.partitions, options),
            options.signal,
          )
        : whole;
      const size = stepRows(open, group, filter ? [...columns, ...columnsIn(filter)] : columns);
      for (const rows of ranges.flatMap((range) => [...split(within(range, left), size)])) {
        yield { file, open, group, rows };
      }
      if (left.limit <= 0) return;
    }
  }
}

/** What of a range is wanted, where rows are counted and not filtered. */
function within({ start, end }: Range, left: { offset: number; limit: number }): Range {
  const from = Math.min(start + left.offset, end);
  left.offset -= from - start;
  const to = Math.min(end, from + left.limit);
  left.limit -= to - from;
  return { start: from, end: to };
}

function* split({ start, end }: Range, size: number): Generator<Range> {
  for (let from = start; from < end; from += size) {
    yield { start: from, end: Math.min(from + size, end) };
  }
}

/** Rows of a step: as many as take some megabytes, or all of a group where its pages are not told. */
function stepRows(open: OpenFile, group: RowGroup, columns: readonly Field[]): number {
  const rows = Number(group.num_rows);
  let bytes = 0;
  for (const { name, type } of columns) {
    const node = open.nodes.find((one) => one.name === name);
    for (const { node: leaf } of node ? leavesOf(type, node) : []) {
      const column = chunk(group, leaf.leaf as number);
      if (column.offset_index_offset === undefined) return Math.max(rows, 1);
      // a dictionary may make a page of it that unpacks to a multiple
      bytes += Math.max(Number(column.meta_data?.total_uncompressed_size ?? 0), 8 * rows);
    }
  }
  return Math.max(1, Math.ceil(rows / Math.max(1, Math.round(bytes / STEP))));
}

async function readStep(given: Scan, step: Step): Promise<Chunk[]> {
  const { filter, columns } = given;
  if (!filter) {
    const { start, end } = step.rows;
    return [{ rows: end - start, columns: await read(given, step, columns) }];
  }
  const looked = [...new Set(columnsIn(filter))];
  const vectors = await read(given, step, looked);
  const { start, end } = step.rows;
  const named = new Map(looked.map(({ name }, at) => [name, vectors[at] as Vector]));
  const found = matching(filter, (name) => named.get(name) as Vector, end - start);
  const rest = columns.filter(({ name }) => !named.has(name));
  const pieces = rest.length === 0 ? (found.length > 0 ? [found] : []) : apart(found);
  return await Promise.all(
    pieces.map(async (indices) => {
      const first = indices[0] as number;
      const last = indices[indices.length - 1] as number;
      const rows = { start: start + first, end: start + last + 1 };
      const others = rest.length > 0 ? await read(given, { ...step, rows }, rest) : [];
      const shifted = indices.map((index) => index - first);
      return {
        rows: indices.length,
        columns: columns.map(({ name }) => {
          const here = named.get(name);
          if (here) return taken(here, indices);
          return taken(others[rest.findIndex((field) => field.name === name)] as Vector, shifted);
        }),
      };
    }),
  );
}

/** Matching rows in pieces that are each worth a look of their own. */
function apart(found: Int32Array): Int32Array[] {
  const pieces: Int32Array[] = [];
  let start = 0;
  for (let at = 1; at <= found.length; at++) {
    const gap = at < found.length ? (found[at] as number) - (found[at - 1] as number) : APART;
    if (gap < APART) continue;
    pieces.push(found.subarray(start, at));
    start = at;
  }
  return pieces.length <= PIECES ? pieces : [found];
}

async function read(
  { listing, options }: Scan,
  { file, open, group, rows }: Step,
  fields: readonly Field[],
): Promise<Vector[]> {
  const stored = fields.filter(({ name }) => !listing.partitions.includes(name));
  const vectors = await readColumns({ open, group, rows }, stored, options);
  return fields.map((field) => {
    const at = stored.indexOf(field);
    const value = file.partition[field.name] ?? null;
    return at < 0 ? constant(field, value, rows.end - rows.start) : (vectors[at] as Vector);
  });
}
