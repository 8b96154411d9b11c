/**
 * A value to compare with: it is read as the column's type.
 *
 * Integers beyond 2^53 are bigints; dates and times are ISO 8601 or a Date, decimals numbers or
 * text. Null is SQL's: no comparison with it holds.
 */
export type Value = string | number | bigint | boolean | Date | null;

/** What may hold of a row. Nulls are SQL's: no comparison with a null holds, nor does its `not`. */
export type Filter =
  | { op: '=' | '!=' | '<' | '<=' | '>' | '>='; column: string; value: Value }
  /** Both ends belong to it. */
  | { op: 'between'; column: string; low: Value; high: Value }
  | { op: 'in'; column: string; values: readonly Value[] }
  | { op: 'is_null'; column: string }
  /** `%` stands for any letters, `_` for one, and a backslash takes that from them. */
  | { op: 'like'; column: string; pattern: string }
  | { op: 'contains'; column: string; text: string }
  /** All hold; true of none. */
  | { op: 'and'; conditions: readonly Filter[] }
  /** One holds; false of none. */
  | { op: 'or'; conditions: readonly Filter[] }
  | { op: 'not'; condition: Filter };

/** A filter on one column. */
export type Condition = Exclude<Filter, { op: 'and' | 'or' | 'not' }>;
