import type { SchemaElement } from 'hyparquet';
import type { Type } from '../schema.ts';
import { Corrupt } from './levels.ts';
import type { Bytes, Dense } from './values.ts';

/** A file whose types are none that a table's can be read from here: the server knows more. */
export class Unreadable extends Error {}

const DAY = 86_400_000_000n;
/** Of 1970, as INT96 counts days. */
const EPOCH = 2_440_588n;

/** A file's values as those of a table's column. */
export function converted(values: Dense, element: SchemaElement, type: Type): Dense {
  switch (type.kind) {
    case 'string':
    case 'binary':
      if ('data' in values) return values;
      break;
    case 'boolean':
      if (values instanceof Uint8Array) return values;
      break;
    case 'byte':
      if (values instanceof Int32Array) return Int8Array.from(values);
      break;
    case 'short':
      if (values instanceof Int32Array) return Int16Array.from(values);
      break;
    case 'integer':
    case 'date':
      if (values instanceof Int32Array) return values;
      break;
    case 'long':
      if (values instanceof BigInt64Array) return values;
      if (values instanceof Int32Array) return BigInt64Array.from(values, BigInt);
      break;
    case 'float':
      if (values instanceof Float32Array) return values;
      break;
    case 'double':
      if (values instanceof Float64Array) return values;
      if (values instanceof Float32Array) return Float64Array.from(values);
      break;
    case 'timestamp':
    case 'timestamp_ntz':
      return moments(values, element);
    case 'decimal':
      return decimals(values, element, type.scale);
  }
  throw new Unreadable(`${element.type} for a column of the type ${type.kind}`);
}

/** Microseconds since 1970. */
function moments(values: Dense, element: SchemaElement): BigInt64Array {
  if ('data' in values && element.type === 'INT96') {
    const view = new DataView(values.data.buffer, values.data.byteOffset);
    return BigInt64Array.from({ length: values.offsets.length - 1 }, (_, at) => {
      const nanos = view.getBigInt64(12 * at, true);
      return (BigInt(view.getInt32(12 * at + 8, true)) - EPOCH) * DAY + nanos / 1000n;
    });
  }
  if (!(values instanceof BigInt64Array)) throw new Unreadable(`${element.type} for a timestamp`);
  const { logical_type: logical, converted_type: old } = element;
  const unit = logical?.type === 'TIMESTAMP' ? logical.unit : old?.replace('TIMESTAMP_', '');
  if (unit === 'MICROS') return values;
  if (unit === 'MILLIS') return values.map((value) => value * 1000n);
  if (unit === 'NANOS') return values.map((value) => value / 1000n);
  throw new Unreadable('an integer without a unit for a timestamp');
}

/** Units of the column's scale, as two halves each. */
function decimals(values: Dense, element: SchemaElement, scale: number): BigUint64Array {
  const of = element.logical_type?.type === 'DECIMAL' ? element.logical_type.scale : element.scale;
  const more = scale - (of ?? 0);
  if (more < 0) throw new Unreadable('a decimal with more digits behind its point');
  const factor = 10n ** BigInt(more);
  const count = 'data' in values ? values.offsets.length - 1 : values.length;
  const read = 'data' in values ? signed(values) : (at: number) => BigInt(values[at] as number);
  const halves = new BigUint64Array(2 * count);
  for (let at = 0; at < count; at++) {
    const unit = read(at) * factor;
    halves[2 * at] = BigInt.asUintN(64, unit);
    halves[2 * at + 1] = BigInt.asUintN(64, unit >> 64n);
  }
  return halves;
}

/** Whole numbers, their highest byte first. */
function signed({ offsets, data }: Bytes): (at: number) => bigint {
  return (at) => {
    let value = 0n;
    const start = offsets[at] as number;
    const end = offsets[at + 1] as number;
    if (end - start > 32) throw new Corrupt('a decimal of more than 256 bits');
    for (let byte = start; byte < end; byte++) value = (value << 8n) | BigInt(data[byte] as number);
    return BigInt.asIntN(8 * (end - start), value);
  };
}
