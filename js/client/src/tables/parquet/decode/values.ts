import type { ParquetType, SchemaElement } from 'hyparquet';
import { deltaBinaryUnpack, deltaByteArray, deltaLengthByteArray } from 'hyparquet/src/delta.js';
import { byteStreamSplit } from 'hyparquet/src/encoding.js';
import type { Type } from '../schema.ts';
import { converted, Unreadable } from './convert.ts';
import { Corrupt, type Cursor, runs } from './levels.ts';
import type { Values } from './vector.ts';

/** Texts or bytes, one behind the other. */
export interface Bytes {
  offsets: Int32Array;
  data: Uint8Array;
}

/** Values without nulls, as Arrow has them; booleans are a byte each. */
export type Dense = Values | Bytes;

/** A leaf of a file's schema, and the type that its values are to have. */
export interface LeafType {
  element: SchemaElement;
  type: Type;
}

/** The values of a data page, or of a dictionary, in the type that they are to have. */
export function pageValues(
  { element, type }: LeafType,
  encoding: string,
  from: Cursor,
  count: number,
  dictionary: Dense | undefined,
): Dense {
  const physical = element.type as ParquetType;
  switch (encoding) {
    case 'PLAIN':
      return converted(plain(physical, from, count, element.type_length), element, type);
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY': {
      if (!dictionary) throw new Unreadable('a dictionary that is taken up again');
      const width = from.bytes[from.at++] ?? 0;
      if (width > 32) throw new Corrupt('a dictionary that is too large');
      const indices = new Int32Array(count);
      return looked(dictionary, width === 0 ? indices : runs(from, width, indices));
    }
    case 'RLE':
      from.at += 4; // its length
      return converted(runs(from, 1, new Uint8Array(count)), element, type);
    default:
      return converted(delta(physical, encoding, from, count, element.type_length), element, type);
  }
}

/** So many of each other: parts of a column laid one behind the other. */
export function joined(parts: Dense[]): Dense | undefined {
  const [first] = parts;
  if (parts.length < 2 || !first) return first;
  if ('data' in first) return joinedBytes(parts as Bytes[]);
  const length = (parts as Values[]).reduce((sum, part) => sum + part.length, 0);
  const all = new (first.constructor as new (length: number) => Values)(length);
  let at = 0;
  for (const part of parts as Values[]) {
    all.set(part as never, at);
    at += part.length;
  }
  return all;
}

/** Some of the values, those of 128 bits being two. */
export function cut(values: Dense, start: number, end: number): Dense {
  if ('data' in values) {
    const base = values.offsets[start] as number;
    const offsets = values.offsets.slice(start, end + 1).map((offset) => offset - base);
    return { offsets, data: values.data.subarray(base, values.offsets[end]) };
  }
  const width = values instanceof BigUint64Array ? 2 : 1;
  return values.subarray(start * width, end * width);
}

function joinedBytes(parts: Bytes[]): Bytes {
  const count = parts.reduce((sum, { offsets }) => sum + offsets.length - 1, 0);
  const offsets = new Int32Array(count + 1);
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  let base = 0;
  for (const part of parts) {
    for (let item = 1; item < part.offsets.length; item++) {
      offsets[++at] = base + (part.offsets[item] as number);
    }
    data.set(part.data, base);
    base += part.data.length;
  }
  return { offsets, data };
}

function plain(type: ParquetType, from: Cursor, count: number, length = 0): Dense {
  if (type === 'BYTE_ARRAY') return texts(from, count);
  if (type === 'BOOLEAN') {
    const bits = raw(from, (count + 7) >> 3);
    return Uint8Array.from(
      { length: count },
      (_, at) => ((bits[at >> 3] as number) >> (at & 7)) & 1,
    );
  }
  const width = WIDTHS[type] ?? length;
  const { buffer } = raw(from, count * width);
  switch (type) {
    case 'INT32':
      return new Int32Array(buffer);
    case 'INT64':
      return new BigInt64Array(buffer);
    case 'FLOAT':
      return new Float32Array(buffer);
    case 'DOUBLE':
      return new Float64Array(buffer);
    default:
      return {
        offsets: Int32Array.from({ length: count + 1 }, (_, at) => at * width),
        data: new Uint8Array(buffer),
      };
  }
}

const WIDTHS: { [type: string]: number } = { INT32: 4, INT64: 8, FLOAT: 4, DOUBLE: 8, INT96: 12 };

/** Bytes of their own, so that they begin where a wider array may. */
function raw(from: Cursor, size: number): Uint8Array<ArrayBuffer> {
  const end = from.at + size;
  if (end > from.bytes.length) throw new Corrupt('values that end behind their page');
  const found = new Uint8Array(size);
  found.set(from.bytes.subarray(from.at, end));
  from.at = end;
  return found;
}

function texts(from: Cursor, count: number): Bytes {
  const { bytes } = from;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offsets = new Int32Array(count + 1);
  const data = new Uint8Array(Math.max(bytes.length - from.at - 4 * count, 0));
  for (let item = 0, to = 0; item < count; item++) {
    if (from.at + 4 > bytes.length) throw new Corrupt('values that end behind their page');
    const start = from.at + 4;
    const end = start + view.getUint32(from.at, true);
    if (end > bytes.length) throw new Corrupt('a text that ends behind its page');
    data.set(bytes.subarray(start, end), to);
    to += end - start;
    offsets[item + 1] = to;
    from.at = end;
  }
  return { offsets, data: data.subarray(0, offsets[count]) };
}

function delta(
  type: ParquetType,
  encoding: string,
  from: Cursor,
  count: number,
  length = 0,
): Dense {
  const { bytes, at } = from;
  const reader = {
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    offset: at,
  };
  if (encoding === 'DELTA_BINARY_PACKED') {
    const found = type === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
    deltaBinaryUnpack(reader, count, found);
    return found;
  }
  if (encoding === 'BYTE_STREAM_SPLIT') {
    const found = byteStreamSplit(reader, count, type, length);
    return Array.isArray(found) ? together(found as Uint8Array[]) : (found as Values);
  }
  const found = new Array<Uint8Array>(count);
  if (encoding === 'DELTA_LENGTH_BYTE_ARRAY') deltaLengthByteArray(reader, count, found);
  else if (encoding === 'DELTA_BYTE_ARRAY') deltaByteArray(reader, count, found);
  else throw new Corrupt(`the encoding ${encoding}, which is not known`);
  return together(found);
}

function together(found: Uint8Array[]): Bytes {
  const offsets = new Int32Array(found.length + 1);
  found.forEach((item, at) => {
    offsets[at + 1] = (offsets[at] as number) + item.length;
  });
  const data = new Uint8Array(offsets[found.length] as number);
  found.forEach((item, at) => {
    data.set(item, offsets[at]);
  });
  return { offsets, data };
}

/** The values of a dictionary at indices. */
function looked(dictionary: Dense, indices: Int32Array): Dense {
  if ('data' in dictionary) return lookedBytes(dictionary, indices);
  const width = dictionary instanceof BigUint64Array ? 2 : 1;
  const size = indices.length * width;
  const found = new (dictionary.constructor as new (length: number) => Values)(size);
  for (let at = 0; at < indices.length; at++) {
    const from = (indices[at] as number) * width;
    if (from < 0 || from >= dictionary.length) throw new Corrupt('a value that no dictionary has');
    found[at * width] = dictionary[from] as never;
    if (width === 2) found[at * 2 + 1] = dictionary[from + 1] as never;
  }
  return found;
}

function lookedBytes({ offsets, data }: Bytes, indices: Int32Array): Bytes {
  const last = offsets.length - 1;
  const to = new Int32Array(indices.length + 1);
  for (let at = 0; at < indices.length; at++) {
    const index = indices[at] as number;
    if (index < 0 || index >= last) throw new Corrupt('a value that no dictionary has');
    const size = (offsets[index + 1] as number) - (offsets[index] as number);
    to[at + 1] = (to[at] as number) + size;
  }
  const found = new Uint8Array(to[indices.length] as number);
  for (let at = 0; at < indices.length; at++) {
    const index = indices[at] as number;
    found.set(data.subarray(offsets[index], offsets[index + 1]), to[at]);
  }
  return { offsets: to, data: found };
}
