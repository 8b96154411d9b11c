import type { Value } from '../../query/filter.ts';
import { refused, shown } from '../../query/wire.ts';
import type { Field, Type } from '../schema.ts';

/** A value as the vectors of its column hold it: bytes for text, units for decimals and times. */
export type Plain = number | bigint | Uint8Array;

/** A literal, and what to do to the column's values before they are compared with it. */
export interface Literal {
  value: Plain;
  /** The column's decimals have fewer digits: each of its units is so many of the literal's. */
  factor: bigint;
  /** Compared as numbers: a fraction with a column of whole numbers. */
  float: boolean;
}

const BITS = { byte: 8, short: 16, integer: 32, long: 64 } as const;
const WIDEST = 38;
const TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d\d(?::?\d\d)?)?$/;

/**
 * A literal of a filter as a value of a column; null stays.
 *
 * @throws InvalidQueryError it is no value of the column's type
 */
export function literal(given: Value, { name, type }: Field): Literal | null {
  checkComparable(name, type);
  if (given === null) return null;
  const found = read(given, type);
  if (found !== undefined) return { factor: 1n, float: false, ...found };
  throw refused(
    `The column ${JSON.stringify(name)} is ${typeName(type)}, and ${shown(given)} is no value of that.`,
    'Integers beyond 2^53, decimals, dates and timestamps are written as text.',
  );
}

/** A type as an error names it. */
export function typeName(type: Type): string {
  return type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind;
}

function checkComparable(name: string, { kind }: Type): void {
  if (!['binary', 'list', 'struct', 'map'].includes(kind)) return;
  throw refused(
    `The column ${JSON.stringify(name)} is ${kind}, which is compared with nothing.`,
    'Ask whether it is_null.',
  );
}

function read(given: Value, type: Type): (Partial<Literal> & { value: Plain }) | undefined {
  switch (type.kind) {
    case 'string':
      return typeof given === 'string' ? { value: new TextEncoder().encode(given) } : undefined;
    case 'boolean':
      return typeof given === 'boolean' ? { value: Number(given) } : undefined;
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      return integer(given, type.kind);
    case 'float':
    case 'double': {
      const value = typeof given === 'boolean' ? undefined : floating(given);
      if (value === undefined) return undefined;
      return { value: type.kind === 'float' ? Math.fround(value) : value };
    }
    case 'decimal':
      return decimal(given, type);
    case 'date': {
      const [, day] = /^(\d{4}-\d\d-\d\d)$/.exec(String(given)) ?? [];
      const time = Date.parse(`${day}T00:00:00Z`);
      return validDay(day) && !Number.isNaN(time) ? { value: time / 86_400_000 } : undefined;
    }
    case 'timestamp':
    case 'timestamp_ntz':
      return moment(given, type.kind === 'timestamp');
  }
  return undefined;
}

function integer(
  given: Value,
  kind: keyof typeof BITS,
): (Partial<Literal> & { value: Plain }) | undefined {
  if (typeof given === 'number' && Number.isFinite(given) && !Number.isInteger(given)) {
    return { value: given, float: true };
  }
  const text = typeof given === 'number' ? String(BigInt(given)) : given;
  if (typeof text !== 'string' || !/^[+-]?\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text.replace(/^\+/, ''));
  if (BigInt.asIntN(64, value) !== value) return undefined;
  return { value: kind === 'long' ? value : Number(value) };
}

function floating(given: Value): number | undefined {
  if (typeof given === 'number') return given;
  const text = String(given)
    .trim()
    .replace(/(?<=\d)_(?=\d)/g, '');
  const [, sign, word] = /^([+-]?)(inf|infinity|nan)$/i.exec(text) ?? [];
  if (word) {
    if (/nan/i.test(word)) return Number.NaN;
    return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function decimal(
  given: Value,
  type: { precision: number; scale: number },
): (Partial<Literal> & { value: Plain }) | undefined {
  if (typeof given === 'boolean') return undefined;
  const text = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(String(given).trim());
  const [, sign, whole = '', fraction = '', exponent = '0'] = text ?? [];
  if (!text || whole + fraction === '' || Math.abs(Number(exponent)) > 999) return undefined;
  const places = fraction.length - Number(exponent);
  let digits = BigInt(whole + fraction);
  if (places < 0) digits *= 10n ** BigInt(-places);
  const scale = Math.max(type.scale, places, 0);
  const value = digits * 10n ** BigInt(scale - Math.max(places, 0));
  if (String(value).length > WIDEST) return undefined;
  return { value: sign === '-' ? -value : value, factor: 10n ** BigInt(scale - type.scale) };
}

function moment(given: Value, zoned: boolean): { value: bigint } | undefined {
  const parts = typeof given === 'string' ? TIME.exec(given) : null;
  if (!parts) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = parts;
  if (!zoned && zone !== undefined) return undefined; // a time without a zone is not a moment
  if (!validDay(`${year}-${month}-${day}`)) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const at = Date.parse(`${year}-${month}-${day}T00:00:00Z`) / 1000;
  const seconds = at + Number(hour) * 3600 + Number(minute) * 60 + Number(second) - offset(zone);
  return { value: BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6)) };
}

function offset(zone: string | undefined): number {
  const [, sign, hours, minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone ?? '') ?? [];
  if (!sign) return 0;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
}

/** Whether there is such a day: Date.parse takes a 30th of February for one of March. */
function validDay(day: string | undefined): boolean {
  const time = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(String(day));
}
