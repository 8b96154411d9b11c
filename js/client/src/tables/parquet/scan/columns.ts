import type { RowGroup } from 'hyparquet';
import { IntegrityError, StorageError } from '../../../errors/index.ts';
import type { CallOptions } from '../../../http/http.ts';
import { nulls } from '../decode/assemble.ts';
import type { ColumnTask } from '../decode/column.ts';
import { Unreadable } from '../decode/convert.ts';
import { leavesOf } from '../decode/node.ts';
import { decodeColumn } from '../decode/pool.ts';
import type { Vector } from '../decode/vector.ts';
import { type OpenFile, readBytes } from '../file/footer.ts';
import { bytesOf, chunk, type PagePlace, pagePlaces } from '../file/pages.ts';
import type { Range } from '../file/ranges.ts';
import type { Field } from '../schema.ts';

/** Rows of a row group of a file. */
export interface Place {
  open: OpenFile;
  group: RowGroup;
  rows: Range;
}

/** Read columns of some rows; those that the file lacks are null. */
export async function readColumns(
  { open, group, rows }: Place,
  fields: readonly Field[],
  options: CallOptions,
): Promise<Vector[]> {
  const count = rows.end - rows.start;
  const wanted = fields.map(({ name, type }) => {
    const node = open.nodes.find((one) => one.name === name);
    return node ? { node, type, leaves: leavesOf(type, node) } : undefined;
  });
  const leaves = wanted.flatMap((column) => column?.leaves ?? []);
  const partly = count < Number(group.num_rows);
  const numbers = leaves.map(({ node }) => node.leaf as number);
  const places = partly
    ? await pagePlaces(open, group, numbers, options)
    : new Map<number, PagePlace[]>();
  const lying = numbers.map((leaf) => bytesOf(group, leaf, places.get(leaf), rows));
  const read = await readBytes(
    open,
    lying.flatMap(({ ranges }) => ranges),
    options,
  );
  let piece = 0;
  const bytes = lying.map(({ ranges }) =>
    own(
      ranges.map(() => read[piece++] as Uint8Array),
      open.tail,
    ),
  );
  let leaf = 0;
  const vectors = wanted.map((column, at) => {
    if (!column) return nulls((fields[at] as Field).type, count);
    const task: ColumnTask = {
      type: column.type,
      node: column.node,
      rows: count,
      leaves: column.leaves.map(({ node, type }) => {
        const { row } = lying[leaf] as { row: number };
        const found = bytes[leaf++] as Uint8Array;
        const number = node.leaf as number;
        const codec = chunk(group, number).meta_data?.codec ?? 'UNCOMPRESSED';
        const { element, def, rep } = node;
        const { start, end } = rows;
        return {
          leaf: number,
          type,
          element,
          codec,
          def,
          rep,
          bytes: found,
          row,
          from: start,
          to: end,
        };
      }),
    };
    return decodeColumn(task);
  });
  return await Promise.all(vectors);
}

/** Bytes as one piece that may be given away. */
function own(pieces: Uint8Array[], kept: Uint8Array): Uint8Array {
  const [only, ...more] = pieces;
  if (only && more.length === 0) {
    const whole = only.byteLength === only.buffer.byteLength && only.buffer !== kept.buffer;
    return whole ? only : only.slice();
  }
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.byteLength;
  }
  return all;
}

/** What a file is read with, its failures told as errors of ours. */
export async function toldOf<T>(path: string, work: Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof StorageError || cause instanceof Unreadable) throw cause;
    if (signal?.aborted && cause === signal.reason) throw cause;
    const told = cause instanceof Error ? cause.message : String(cause);
    throw new IntegrityError(`The file ${path} of the table cannot be read: ${told}.`, {
      status: 0,
      hint: 'It may be damaged: ks verify, or read another version.',
      cause,
    });
  }
}
