/**
 * A column of Arrow in memory.
 *
 * It is a `Column` of `@uwdata/flechette`, in the members that this client promises: the types of
 * flechette 2.6 do not pass a strict compiler that looks into libraries.
 */
export interface ArrowColumn extends Iterable<unknown> {
  readonly length: number;
  readonly nullCount: number;
  /** The value of a row, or null. */
  at(row: number): unknown;
  /** All values: a typed array where numbers have no nulls. */
  toArray(): ArrayLike<unknown>;
}

/** Rows as columns of Arrow in memory: a `Table` of `@uwdata/flechette`. */
export interface ArrowTable extends Iterable<Record<string, unknown>> {
  readonly numRows: number;
  readonly numCols: number;
  /** Of the columns, in their order. */
  readonly names: readonly (string | number | symbol)[];
  /** A column by its name. */
  getChild(name: string): ArrowColumn;
  /** A column by its place. */
  getChildAt(index: number): ArrowColumn;
  /** The values of each column. */
  toColumns(): Record<string, ArrayLike<unknown>>;
  /** A row as an object. */
  at(row: number): Record<string, unknown>;
  /** All rows as objects. */
  toArray(): Record<string, unknown>[];
}
