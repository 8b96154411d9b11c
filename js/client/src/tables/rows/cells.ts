import { type Batch, type DataType, type Table, Type } from '@uwdata/flechette';
import type { ValueOptions } from '../query/query.ts';
import type { Cell } from './row.ts';
import { dayText, decimalText, timestampValue } from './texts.ts';

/** Gives the value at an index of a batch. */
export type Reader = (index: number) => Cell;

interface Numbers {
  [index: number]: number;
}
interface Bigs {
  [index: number]: bigint;
}

const TEXT = new TextDecoder();

/** How to read a batch's values, whatever is null among them. */
export function cells(batch: Batch<unknown>, options: ValueOptions): Reader {
  const read = valid(batch, options);
  const { validity } = batch;
  if (batch.nullCount === 0 || !validity?.byteLength) return read;
  return (index) => (((validity[index >> 3] ?? 0) >> (index & 7)) & 1 ? read(index) : null);
}

function valid(batch: Batch<unknown>, options: ValueOptions): Reader {
  const type = batch.type as DataType & { bitWidth?: number };
  switch (type.typeId) {
    case Type.Int:
      return type.bitWidth === 64 ? integers(batch, options) : plain(batch);
    case Type.Float:
      return type.precision === 0 ? other(batch) : plain(batch);
    case Type.Utf8: {
      const read = slices(batch);
      return (index) => TEXT.decode(read(index));
    }
    case Type.Binary: {
      const read = slices(batch);
      return (index) => read(index).slice();
    }
    case Type.Date: {
      const days = batch.values as unknown as Numbers;
      return type.unit === 0 ? (index) => dayText(days[index] ?? 0) : other(batch);
    }
    case Type.Timestamp: {
      const { unit, timezone } = type;
      const values = batch.values as unknown as Bigs;
      const how = options.timestamp ?? 'text';
      return (index) => timestampValue(values[index] ?? 0n, unit, timezone != null, how);
    }
    case Type.Decimal: {
      const { scale } = type;
      const read = other(batch) as (index: number) => bigint;
      const asNumber = options.decimal === 'number';
      return (index) => {
        const text = decimalText(read(index), scale);
        return asNumber ? Number(text) : text;
      };
    }
    case Type.List:
      return lists(batch, options);
    case Type.Struct:
      return structs(batch, options);
    case Type.Map:
      return maps(batch, options);
    default:
      return other(batch);
  }
}

function plain(batch: Batch<unknown>): Reader {
  const values = batch.values as unknown as Numbers;
  return (index) => values[index] as number;
}

function other(batch: Batch<unknown>): Reader {
  return (index) => batch.value(index) as Cell;
}

function integers(batch: Batch<unknown>, options: ValueOptions): Reader {
  const values = batch.values as unknown as Bigs;
  if (options.int64 === 'bigint') return (index) => values[index] as bigint;
  return (index) => {
    const exact = values[index] as bigint;
    const near = Number(exact);
    return Number.isSafeInteger(near) ? near : exact;
  };
}

function slices(batch: Batch<unknown>): (index: number) => Uint8Array {
  const offsets = batch.offsets as unknown as Numbers;
  const values = batch.values as Uint8Array;
  return (index) => values.subarray(offsets[index], offsets[index + 1]);
}

function child(batch: Batch<unknown>, at: number): Batch<unknown> {
  return batch.children?.[at] as Batch<unknown>;
}

function lists(batch: Batch<unknown>, options: ValueOptions): Reader {
  const offsets = batch.offsets as unknown as Numbers;
  const read = cells(child(batch, 0), options);
  return (index) => {
    const items: Cell[] = [];
    for (let at = offsets[index] ?? 0; at < (offsets[index + 1] ?? 0); at++) items.push(read(at));
    return items;
  };
}

function structs(batch: Batch<unknown>, options: ValueOptions): Reader {
  const { children } = batch.type as { children: { name: string }[] };
  const fields = children.map(({ name }, at) => [name, cells(child(batch, at), options)] as const);
  return (index) => {
    const made: { [field: string]: Cell } = {};
    for (const [name, read] of fields) put(made, name, read(index));
    return made;
  };
}

function maps(batch: Batch<unknown>, options: ValueOptions): Reader {
  const offsets = batch.offsets as unknown as Numbers;
  const entries = child(batch, 0);
  const key = cells(child(entries, 0), options);
  const value = cells(child(entries, 1), options);
  return (index) => {
    const made = new Map<Cell, Cell>();
    for (let at = offsets[index] ?? 0; at < (offsets[index + 1] ?? 0); at++) {
      made.set(key(at), value(at));
    }
    return made;
  };
}

/** Set a field, whatever its name: `__proto__` is one as any other. */
export function put<T>(made: { [field: string]: T }, name: string, value: T): void {
  if (name !== '__proto__') made[name] = value;
  else {
    const there = { value, enumerable: true, configurable: true, writable: true };
    Object.defineProperty(made, name, there);
  }
}

/** The batches of a table, each with its columns side by side. */
export function* sideBySide(table: Table): Generator<Batch<unknown>[]> {
  const count = table.children[0]?.data.length ?? 0;
  for (let at = 0; at < count; at++) {
    yield table.children.map((column) => column.data[at] as Batch<unknown>);
  }
}
