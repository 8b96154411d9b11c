import type { Vector } from '../decode/vector.ts';
import type { Type } from '../schema.ts';
import type { Literal, Plain } from './literal.ts';

/** The value of a vector at an index, as literals are. */
export function plainValues({ values, offsets }: Vector, type: Type): (at: number) => Plain {
  switch (type.kind) {
    case 'string':
    case 'binary': {
      const bytes = values as Uint8Array;
      const ends = offsets as Int32Array;
      return (at) => bytes.subarray(ends[at], ends[at + 1]);
    }
    case 'boolean': {
      const bits = values as Uint8Array;
      return (at) => ((bits[at >> 3] as number) >> (at & 7)) & 1;
    }
    case 'decimal': {
      const halves = values as BigUint64Array;
      return (at) =>
        (BigInt.asIntN(64, halves[2 * at + 1] as bigint) << 64n) | (halves[2 * at] as bigint);
    }
    default: {
      const numbers = values as Float64Array;
      return (at) => numbers[at] as number;
    }
  }
}

/** The values as they are compared with one literal. */
export function valuesFor(
  vector: Vector,
  type: Type,
  { factor, float }: Literal,
): (at: number) => Plain {
  const read = plainValues(vector, type);
  if (float) return (at) => Number(read(at));
  if (factor !== 1n) return (at) => (read(at) as bigint) * factor;
  return read;
}

/** Which of two comes first, as DataFusion compares: NaN is the largest, and is itself. */
export function comparison(type: Type): (one: Plain, other: Plain) => number {
  return type.kind === 'string' || type.kind === 'binary'
    ? (one, other) => bytesCompared(one as Uint8Array, other as Uint8Array)
    : (one, other) => {
        if (one < other) return -1;
        if (one > other) return 1;
        if (one === other) return 0;
        return Number(Number.isNaN(one)) - Number(Number.isNaN(other));
      };
}

/** By UTF-8, which is not the order of JavaScript's own text. */
function bytesCompared(one: Uint8Array, other: Uint8Array): number {
  const shorter = Math.min(one.length, other.length);
  for (let at = 0; at < shorter; at++) {
    const difference = (one[at] as number) - (other[at] as number);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}
