import type { Table } from '@uwdata/flechette';
import type { ValueOptions } from '../query/query.ts';
import { cells, put, sideBySide } from './cells.ts';
import type { Row } from './row.ts';

/** The rows of a table, one after the other. */
export function* rowsOf(table: Table, options: ValueOptions): Generator<Row> {
  const names = table.schema.fields.map(({ name }) => name);
  for (const batches of sideBySide(table)) {
    const readers = batches.map((batch) => cells(batch, options));
    const length = batches[0]?.length ?? 0;
    for (let index = 0; index < length; index++) {
      const row: Row = {};
      for (let at = 0; at < names.length; at++) {
        put(row, names[at] as string, readers[at]?.(index) ?? null);
      }
      yield row;
    }
  }
}
