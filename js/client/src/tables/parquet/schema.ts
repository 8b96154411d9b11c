import { InternalError } from '../../errors/index.ts';

/** A type of Delta Lake. */
export type Type =
  | { kind: Plain }
  | { kind: 'decimal'; precision: number; scale: number }
  | { kind: 'list'; item: Field }
  | { kind: 'struct'; fields: Field[] }
  | { kind: 'map'; key: Field; value: Field };

/** A type without parameters. */
export type Plain = (typeof PLAIN)[number];

/** A column, or what stands in one. */
export interface Field {
  name: string;
  type: Type;
}

const PLAIN = [
  'byte',
  'short',
  'integer',
  'long',
  'float',
  'double',
  'boolean',
  'string',
  'binary',
  'date',
  'timestamp',
  'timestamp_ntz',
] as const;

/** Read columns as Delta Lake's log has them. */
export function readFields(fields: unknown): Field[] {
  return (fields as { name: string; type: unknown }[]).map(({ name, type }) => ({
    name,
    type: readType(type),
  }));
}

/** Read a type as Delta Lake's log has it. */
function readType(told: unknown): Type {
  if (typeof told === 'string') {
    if ((PLAIN as readonly string[]).includes(told)) return { kind: told as Plain };
    const [, precision, scale] = /^decimal\((\d+),\s*(-?\d+)\)$/.exec(told) ?? [];
    if (precision !== undefined) {
      return { kind: 'decimal', precision: Number(precision), scale: Number(scale) };
    }
  } else {
    const { type, fields, elementType, keyType, valueType } = told as Record<string, unknown>;
    if (type === 'struct') return { kind: 'struct', fields: readFields(fields) };
    if (type === 'array') {
      return { kind: 'list', item: { name: 'element', type: readType(elementType) } };
    }
    if (type === 'map') {
      const key = { name: 'key', type: readType(keyType) };
      return { kind: 'map', key, value: { name: 'value', type: readType(valueType) } };
    }
  }
  throw new InternalError(
    `A column has the type ${JSON.stringify(told)}, which is not known here.`,
    {
      status: 0,
      hint: "Read the table with source: 'server'.",
    },
  );
}
