import type { CallOptions } from '../../http/http.ts';
import type { Filter } from './filter.ts';

/** Where rows are read: by the server's query, from the Parquet files, or by whichever fits. */
export type Source = 'auto' | 'server' | 'parquet';

/** A column by which rows are ordered. */
export interface Order {
  column: string;
  descending?: boolean;
  /** Where nulls stand: last, or first where it descends, without it. */
  nulls?: 'first' | 'last';
}

/** Which rows of a table; every field may be left out. */
export interface Selection extends CallOptions {
  filter?: Filter | undefined;
  /** A number of the table's history; the newest without it. */
  version?: number | undefined;
  source?: Source | undefined;
}

/** Which rows and columns of a table, and in which order. */
export interface TableQuery extends Selection {
  /** In this order; all without it. */
  columns?: readonly string[] | undefined;
  /**
   * Names, or what else is to be said of an order. Let the last column be one that no two rows
   * share: pages then fit together. Without it, rows come in an order that is the same for every
   * page of one version.
   */
  orderBy?: readonly (string | Order)[] | undefined;
  limit?: number | undefined;
  offset?: number | undefined;
}

/** How values of rows are given, where JavaScript has more than one type for them. */
export interface ValueOptions {
  /**
   * `auto`: a number up to 2^53, a bigint beyond it. `bigint`: always one.
   *
   * @default 'auto'
   */
  int64?: 'auto' | 'bigint' | undefined;
  /**
   * `text`: `12.50`, exact. `number`: the nearest.
   *
   * @default 'text'
   */
  decimal?: 'text' | 'number' | undefined;
  /**
   * `text`: ISO 8601, exact, with a `Z` where the column is of moments. `date`: a Date, to
   * milliseconds. `bigint`: in the column's unit since 1970.
   *
   * @default 'text'
   */
  timestamp?: 'text' | 'date' | 'bigint' | undefined;
}

/** What `getRows` and `iterRows` take. */
export interface RowQuery extends TableQuery, ValueOptions {}
