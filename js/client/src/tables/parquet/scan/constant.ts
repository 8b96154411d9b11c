import type { Value } from '../../query/filter.ts';
import { nulls } from '../decode/assemble.ts';
import { NOTHING, type Vector } from '../decode/vector.ts';
import { literal } from '../filter/literal.ts';
import type { Field } from '../schema.ts';

/** A column of which all rows have the same value: one that a table is partitioned by. */
export function constant(field: Field, value: Value, rows: number): Vector {
  const found = literal(value, field);
  if (found === null) return nulls(field.type, rows);
  const vector: Vector = { ...nulls(field.type, rows), nullCount: 0, validity: NOTHING };
  const plain = found.value;
  if (plain instanceof Uint8Array) {
    const { length } = plain;
    vector.values = new Uint8Array(length * rows);
    for (let at = 0; at < rows; at++) vector.values.set(plain, at * length);
    vector.offsets = Int32Array.from({ length: rows + 1 }, (_, at) => at * length);
  } else if (field.type.kind === 'decimal') {
    const halves = vector.values as BigUint64Array;
    const unit = plain as bigint;
    for (let at = 0; at < rows; at++) {
      halves[2 * at] = BigInt.asUintN(64, unit);
      halves[2 * at + 1] = BigInt.asUintN(64, unit >> 64n);
    }
  } else if (field.type.kind === 'boolean') (vector.values as Uint8Array).fill(plain ? 255 : 0);
  else (vector.values as Float64Array).fill(plain as number);
  return vector;
}
