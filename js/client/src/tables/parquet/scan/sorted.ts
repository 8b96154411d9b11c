import { QueryLimitError } from '../../../errors/index.ts';
import type { Order } from '../../query/query.ts';
import { Unreadable } from '../decode/convert.ts';
import { isValid, taken, type Vector } from '../decode/vector.ts';
import { comparison, plainValues } from '../filter/compare.ts';
import { findField } from '../filter/compile.ts';
import type { Field } from '../schema.ts';
import type { Chunk } from './chunk.ts';
import { concatenated } from './concat.ts';

/** Rows that are sorted in a page at most. */
const MOST = 2_000_000;

/** Rows beyond those that may be wanted, which are kept until the next look. */
const SPARE = 100_000;

/**
 * The first rows of an order, of all that come.
 *
 * @param keep rows that are wanted at most
 * @throws QueryLimitError there are more than a page holds
 */
export async function sorted(
  chunks: AsyncIterable<Chunk>,
  fields: readonly Field[],
  order: readonly Order[],
  keep: number,
): Promise<Chunk> {
  let held: Chunk[] = [];
  let rows = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    rows += chunk.rows;
    if (rows < Math.min(keep, MOST) + SPARE) continue;
    if (keep >= MOST) {
      throw new QueryLimitError(`There are more than ${MOST} rows to sort.`, {
        status: 0,
        hint: "Set a limit, or let the server sort: source: 'server'.",
      });
    }
    held = [first(held, fields, order, keep)];
    rows = held[0]?.rows ?? 0;
  }
  return first(held, fields, order, keep);
}

function first(
  held: readonly Chunk[],
  fields: readonly Field[],
  order: readonly Order[],
  keep: number,
): Chunk {
  const columns = fields.map(({ type }, at) =>
    concatenated(
      type,
      held.map((chunk) => chunk.columns[at] as Vector),
    ),
  );
  const rows = held.reduce((sum, chunk) => sum + chunk.rows, 0);
  const tests = order.map((by) => {
    const field = findField(by.column, fields);
    return ordering(field, columns[fields.indexOf(field)] as Vector, by);
  });
  const indices = Int32Array.from({ length: rows }, (_, at) => at);
  indices.sort((one, other) => {
    for (const test of tests) {
      const difference = test(one, other);
      if (difference !== 0) return difference;
    }
    return one - other;
  });
  const kept = indices.subarray(0, keep);
  return { rows: kept.length, columns: columns.map((column) => taken(column, kept)) };
}

function ordering(
  { type }: Field,
  vector: Vector,
  { descending = false, nulls }: Order,
): (one: number, other: number) => number {
  if (vector.children) throw new Unreadable(`an order by ${type.kind}`);
  const read = plainValues(vector, type);
  const compare = comparison(type);
  const nullsFirst = nulls === undefined ? descending : nulls === 'first';
  const sign = descending ? -1 : 1;
  return (one, other) => {
    const [here, there] = [isValid(vector, one), isValid(vector, other)];
    if (!here || !there) return here === there ? 0 : here === nullsFirst ? 1 : -1;
    const [a, b] = [read(one), read(other)];
    const difference = compare(a, b);
    if (difference !== 0 || a !== 0) return sign * difference;
    // an order tells -0 from 0, which are equal elsewhere
    return sign * (Number(Object.is(b, -0)) - Number(Object.is(a, -0)));
  };
}
