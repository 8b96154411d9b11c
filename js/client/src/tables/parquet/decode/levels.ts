/** Bytes of a page that are read one after the other. */
export interface Cursor {
  bytes: Uint8Array;
  at: number;
}

/** What is wrong with bytes that are no Parquet; the file's name is added where it is known. */
export class Corrupt extends Error {}

/** Integers of a run-length encoded, or bit-packed, sequence: as many as are asked for. */
export function runs<T extends Uint8Array | Int32Array>(from: Cursor, width: number, to: T): T {
  const { bytes } = from;
  const step = (width + 7) >> 3;
  for (let at = 0; at < to.length; ) {
    const head = varint(from);
    if (head & 1) at = unpacked(from, (head >>> 1) * 8, width, to, at);
    else {
      const count = head >>> 1;
      if (count === 0 || from.at + step > bytes.length) throw new Corrupt('an empty run');
      let value = 0;
      for (let part = 0; part < step; part++) value |= (bytes[from.at++] as number) << (8 * part);
      const end = Math.min(at + count, to.length);
      to.fill(value, at, end);
      at = end;
    }
  }
  return to;
}

/**
 * Levels of a page, or undefined where all of them are the highest: no nulls.
 *
 * @param length of them in bytes; without it, it stands before them
 */
export function levels(
  from: Cursor,
  highest: number,
  count: number,
  length?: number,
): Uint8Array | undefined {
  const size = length ?? uint32(from);
  const end = from.at + size;
  if (end > from.bytes.length) throw new Corrupt('levels that end behind their page');
  const within = { bytes: from.bytes.subarray(0, end), at: from.at };
  from.at = end;
  if (count === 0) return undefined;
  const first = { ...within };
  const head = varint(first);
  if (!(head & 1) && head >>> 1 >= count && within.bytes[first.at] === highest) return undefined;
  return runs(within, 32 - Math.clz32(highest), new Uint8Array(count));
}

/** The next four bytes. */
export function uint32(from: Cursor): number {
  const { bytes, at } = from;
  if (at + 4 > bytes.length) throw new Corrupt('a page that ends too early');
  from.at += 4;
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

function varint(from: Cursor): number {
  for (let value = 0, shift = 0; shift < 35 && from.at < from.bytes.length; shift += 7) {
    const byte = from.bytes[from.at++] as number;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw new Corrupt('a number without an end');
}

function unpacked(
  from: Cursor,
  count: number,
  width: number,
  to: Uint8Array | Int32Array,
  start: number,
): number {
  const { bytes } = from;
  const end = Math.min(start + count, to.length);
  const mask = width === 32 ? -1 : (1 << width) - 1;
  const last = from.at + (count / 8) * width;
  // writers may leave out the bytes of values that nobody asks for
  if (from.at + Math.ceil(((end - start) * width) / 8) > bytes.length) {
    throw new Corrupt('packed values that end behind their page');
  }
  let held = 0n;
  let bits = 0;
  let near = 0;
  if (width <= 24) {
    for (let at = start; at < end; at++) {
      while (bits < width) {
        near |= (bytes[from.at++] as number) << bits;
        bits += 8;
      }
      to[at] = near & mask;
      near >>>= width;
      bits -= width;
    }
  } else {
    for (let at = start; at < end; at++) {
      while (bits < width) {
        held |= BigInt(bytes[from.at++] as number) << BigInt(bits);
        bits += 8;
      }
      to[at] = Number(held & BigInt(mask >>> 0));
      held >>= BigInt(width);
      bits -= width;
    }
  }
  from.at = Math.min(last, bytes.length);
  return end;
}
