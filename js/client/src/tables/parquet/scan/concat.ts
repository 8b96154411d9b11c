import { nulls } from '../decode/assemble.ts';
import { isValid, NOTHING, setBit, type Values, type Vector } from '../decode/vector.ts';
import type { Type } from '../schema.ts';

/** Vectors one behind the other. */
export function concatenated(type: Type, parts: readonly Vector[]): Vector {
  const [first] = parts;
  if (!first) return { ...nulls(type, 0), validity: NOTHING };
  if (parts.length === 1) return first;
  const sum = (of: (part: Vector) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  const length = sum((part) => part.length);
  const nullCount = sum((part) => part.nullCount);
  const whole: Vector = { length, nullCount, validity: nullCount ? bits(parts, isValid) : NOTHING };
  if (first.offsets) whole.offsets = offsets(parts, length);
  if (type.kind === 'struct') {
    whole.children = type.fields.map((field, at) => below(field.type, parts, at));
  } else if (type.kind === 'list') whole.children = [below(type.item.type, parts, 0)];
  else if (type.kind === 'map') {
    const entry: Type = { kind: 'struct', fields: [type.key, type.value] };
    whole.children = [below(entry, parts, 0)];
  } else if (type.kind === 'boolean') {
    whole.values = bits(parts, ({ values }, at) => {
      return (((values as Uint8Array)[at >> 3] as number) >> (at & 7)) % 2 === 1;
    });
  } else {
    const arrays = parts.map((part) => valuesOf(part));
    whole.values = laid(arrays);
  }
  return whole;
}

function laid(arrays: Values[]): Values {
  const [first] = arrays as [Values];
  const size = arrays.reduce((total, array) => total + array.length, 0);
  const all = new (first.constructor as new (length: number) => Values)(size);
  let at = 0;
  for (const array of arrays) {
    all.set(array as never, at);
    at += array.length;
  }
  return all;
}

/** Without what stands behind the last offset, or before the first. */
function valuesOf({ values, offsets, length }: Vector): Values {
  const all = values as Values;
  return offsets ? all.subarray(offsets[0], offsets[length]) : all;
}

function below(type: Type, parts: readonly Vector[], at: number): Vector {
  return concatenated(
    type,
    parts.map((part) => part.children?.[at] as Vector),
  );
}

function offsets(parts: readonly Vector[], length: number): Int32Array {
  const all = new Int32Array(length + 1);
  let at = 0;
  let base = 0;
  for (const part of parts) {
    const own = part.offsets as Int32Array;
    for (let item = 0; item < part.length; item++) {
      all[at++] = base + (own[item] as number) - (own[0] as number);
    }
    base += (own[part.length] as number) - (own[0] as number);
  }
  all[at] = base;
  return all;
}

function bits(parts: readonly Vector[], test: (part: Vector, at: number) => boolean): Uint8Array {
  const length = parts.reduce((total, part) => total + part.length, 0);
  const all = new Uint8Array((length + 7) >> 3);
  let next = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at++, next++) if (test(part, at)) setBit(all, next);
  }
  return all;
}
