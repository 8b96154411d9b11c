import {
  type Field as ArrowField,
  field as arrowField,
  type Batch,
  batchType,
  binary,
  bool,
  Column,
  type DataType,
  dateDay,
  decimal,
  float32,
  float64,
  int8,
  int16,
  int32,
  int64,
  list,
  map,
  struct,
  Table,
  TimeUnit,
  timestamp,
  utf8,
} from '@uwdata/flechette';
import { EXACT } from '../arrow/decode.ts';
import type { Vector } from './decode/vector.ts';
import type { Chunk } from './scan/chunk.ts';
import type { Field, Type } from './schema.ts';

/** Chunks as one table of Arrow, with a batch for each. */
export function arrowTable(fields: readonly Field[], chunks: readonly Chunk[]): Table {
  const types = fields.map(({ type }) => arrowType(type));
  const columns = types.map(
    (type, at) =>
      new Column(
        chunks.map((chunk) => batch(type, chunk.columns[at] as Vector)),
        type,
      ),
  );
  const schema = {
    version: 4,
    endianness: 0,
    fields: fields.map(({ name }, at) => arrowField(name, types[at] as DataType)),
    metadata: null,
  };
  return new Table(schema as ConstructorParameters<typeof Table>[0], columns);
}

function arrowType(type: Type): DataType {
  switch (type.kind) {
    case 'byte':
      return int8();
    case 'short':
      return int16();
    case 'integer':
      return int32();
    case 'long':
      return int64();
    case 'float':
      return float32();
    case 'double':
      return float64();
    case 'boolean':
      return bool();
    case 'string':
      return utf8();
    case 'binary':
      return binary();
    case 'date':
      return dateDay();
    case 'timestamp':
      return timestamp(TimeUnit.MICROSECOND, 'UTC');
    case 'timestamp_ntz':
      return timestamp(TimeUnit.MICROSECOND);
    case 'decimal':
      return decimal(type.precision, type.scale, 128);
    case 'list':
      return list(below(type.item));
    case 'struct':
      return struct(type.fields.map(below));
    case 'map':
      return map(arrowField('key', arrowType(type.key.type), false), below(type.value));
  }
}

function below({ name, type }: Field): ArrowField {
  return arrowField(name, arrowType(type));
}

function batch(type: DataType, vector: Vector): Batch<unknown> {
  const { length, nullCount, validity, values, offsets } = vector;
  const { children = [] } = type as { children?: ArrowField[] };
  const Kind = batchType(type, EXACT) as unknown as new (options: object) => Batch<unknown>;
  return new Kind({
    length,
    nullCount,
    type,
    validity,
    values,
    offsets,
    children: children.map((child, at) => batch(child.type, vector.children?.[at] as Vector)),
  });
}
