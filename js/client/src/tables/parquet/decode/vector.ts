/** Values of a column as Arrow lays them out; it goes from a worker to the page without a copy. */
export interface Vector {
  length: number;
  nullCount: number;
  /** A bit for each value that is no null; empty where none is. */
  validity: Uint8Array;
  values?: Values | undefined;
  offsets?: Int32Array | undefined;
  children?: Vector[] | undefined;
}

export type Values =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array
  | Uint8Array;

export const NOTHING: Uint8Array = new Uint8Array(0);

/** Whether a value is no null. */
export function isValid({ nullCount, validity }: Vector, index: number): boolean {
  return nullCount === 0 || (((validity[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

/** The values at some indices, in that order. */
export function taken(from: Vector, indices: Int32Array): Vector {
  const { length } = indices;
  const to: Vector = { length, nullCount: 0, validity: NOTHING };
  if (from.nullCount > 0) {
    to.validity = new Uint8Array((length + 7) >> 3);
    for (let at = 0; at < length; at++) {
      if (isValid(from, indices[at] as number)) setBit(to.validity, at);
      else to.nullCount++;
    }
  }
  if (from.offsets) {
    const offsets = laidOut(from.offsets, indices);
    to.offsets = offsets;
    if (from.children) {
      const inner = spread(from.offsets, indices, offsets);
      to.children = from.children.map((child) => taken(child, inner));
    } else to.values = bytesTaken(from.values as Uint8Array, from.offsets, indices, offsets);
  } else if (from.children) to.children = from.children.map((child) => taken(child, indices));
  else if (from.values) to.values = valuesTaken(from, indices);
  return to;
}

function valuesTaken({ values }: Vector, indices: Int32Array): Values {
  const from = values as Values;
  if (from instanceof Uint8Array) {
    const bits = new Uint8Array((indices.length + 7) >> 3);
    indices.forEach((index, at) => {
      if (((from[index >> 3] as number) >> (index & 7)) & 1) setBit(bits, at);
    });
    return bits;
  }
  const width = from instanceof BigUint64Array ? 2 : 1; // decimals of 128 bits
  const to = new (from.constructor as new (length: number) => Values)(indices.length * width);
  for (let at = 0; at < indices.length; at++) {
    const index = (indices[at] as number) * width;
    for (let part = 0; part < width; part++) to[at * width + part] = from[index + part] as never;
  }
  return to;
}

function laidOut(from: Int32Array, indices: Int32Array): Int32Array {
  const offsets = new Int32Array(indices.length + 1);
  for (let at = 0; at < indices.length; at++) {
    const index = indices[at] as number;
    const length = (from[index + 1] as number) - (from[index] as number);
    offsets[at + 1] = (offsets[at] as number) + length;
  }
  return offsets;
}

/** The indices of all that lies in what is taken. */
function spread(from: Int32Array, indices: Int32Array, offsets: Int32Array): Int32Array {
  const inner = new Int32Array(offsets[indices.length] as number);
  for (let at = 0, next = 0; at < indices.length; at++) {
    const index = indices[at] as number;
    for (let item = from[index] as number; item < (from[index + 1] as number); item++) {
      inner[next++] = item;
    }
  }
  return inner;
}

function bytesTaken(
  from: Uint8Array,
  old: Int32Array,
  indices: Int32Array,
  offsets: Int32Array,
): Uint8Array {
  const to = new Uint8Array(offsets[indices.length] as number);
  for (let at = 0; at < indices.length; at++) {
    const index = indices[at] as number;
    to.set(from.subarray(old[index], old[index + 1]), offsets[at]);
  }
  return to;
}

/** Set one of many bits. */
export function setBit(bits: Uint8Array, at: number): void {
  bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7));
}
