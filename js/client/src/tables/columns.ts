import type { components } from '../contract/openapi.ts';

/** A column of a table. */
export interface Column {
  name: string;
  /** As Delta Lake names it: `long`, `string`, `decimal(10,2)`, `struct<a: long>`. */
  type: string;
  nullable: boolean;
  comment: string;
  /** Whether the table is partitioned by it. */
  partition: boolean;
}

/** The columns of a described table. */
export function columnsOf(info: components['schemas']['TableInfo']): Column[] {
  return info.columns.map(({ name, type, nullable, comment }) => ({
    name,
    type,
    nullable: nullable ?? true,
    comment: comment ?? '',
    partition: info.partitions.includes(name),
  }));
}
