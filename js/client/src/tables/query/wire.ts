import { InvalidQueryError } from '../../errors/index.ts';
import type { Filter, Value } from './filter.ts';
import type { Order, TableQuery } from './query.ts';

/** Levels of a filter: the server takes no more. */
const DEEPEST = 16;

/** A query as JSON: the body of `…/query`. */
export interface WireQuery {
  columns?: readonly string[];
  filter?: Filter;
  order_by?: readonly Order[];
  limit?: number;
  offset?: number;
  version?: number;
}

/**
 * The query in the form that is sent and that both ways of reading take: values are JSON's.
 *
 * @throws InvalidQueryError it has another form, or a value that JSON does not hold
 */
export function wireQuery(query: TableQuery): WireQuery {
  const wire: WireQuery = {};
  if (query.columns !== undefined) wire.columns = names(query.columns);
  if (query.filter !== undefined) wire.filter = wireFilter(query.filter, 1);
  if (query.orderBy !== undefined) wire.order_by = list(query.orderBy, 'orderBy').map(order);
  for (const name of ['limit', 'offset', 'version'] as const) {
    const number = query[name];
    if (number === undefined) continue;
    if (!Number.isSafeInteger(number) || number < 0) {
      throw refused(`The ${name} ${shown(number)} is no whole number from 0 on.`);
    }
    wire[name] = number;
  }
  return wire;
}

/** The numbers of a filter that JavaScript does not hold exactly, with their columns. */
export function* unsafeNumbers(filter: Filter): Generator<{ column: string; value: number }> {
  if ('conditions' in filter) for (const part of filter.conditions) yield* unsafeNumbers(part);
  else if ('condition' in filter) yield* unsafeNumbers(filter.condition);
  else {
    for (const value of valuesOf(filter)) {
      if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
        yield { column: filter.column, value };
      }
    }
  }
}

/** The values that a condition compares with. */
export function valuesOf(condition: Filter): readonly Value[] {
  if ('value' in condition) return [condition.value];
  if ('values' in condition) return condition.values;
  if ('low' in condition) return [condition.low, condition.high];
  return [];
}

/** A value as an error shows it. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** The error of a query that cannot be asked, made on this side. */
export function refused(message: string, hint?: string): InvalidQueryError {
  return new InvalidQueryError(message, { status: 0, hint });
}

function names(columns: unknown): string[] {
  const found = list(columns, 'columns');
  if (found.length === 0) throw refused('A query asks for one column at least.');
  return found.map((name) => text(name, 'A column'));
}

function order(item: unknown): Order {
  if (typeof item === 'string') return { column: item };
  const { column, descending, nulls } = object(item, 'An order') as Partial<Order>;
  const made: Order = { column: text(column, 'The column of an order') };
  if (descending !== undefined) made.descending = Boolean(descending);
  if (nulls === 'first' || nulls === 'last') made.nulls = nulls;
  else if (nulls !== undefined) {
    throw refused(`Nulls stand first or last, not ${shown(nulls)}.`);
  }
  return made;
}

function wireFilter(given: unknown, depth: number): Filter {
  if (depth > DEEPEST) throw refused(`The filter is deeper than ${DEEPEST} levels.`);
  const filter = object(given, 'A filter') as { op: string } & Record<string, unknown>;
  const { op } = filter;
  switch (op) {
    case 'and':
    case 'or': {
      const conditions = list(filter.conditions, `The conditions of ${op}`);
      return { op, conditions: conditions.map((part) => wireFilter(part, depth + 1)) };
    }
    case 'not':
      return { op, condition: wireFilter(filter.condition, depth + 1) };
  }
  const column = text(filter.column, 'The column of a condition');
  switch (op) {
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return { op, column, value: wireValue(filter.value, column) };
    case 'between': {
      const { low, high } = filter;
      return { op, column, low: wireValue(low, column), high: wireValue(high, column) };
    }
    case 'in': {
      const values = list(filter.values, 'The values of in');
      return { op, column, values: values.map((value) => wireValue(value, column)) };
    }
    case 'is_null':
      return { op, column };
    case 'like':
      return { op, column, pattern: text(filter.pattern, 'The pattern of like') };
    case 'contains':
      return { op, column, text: text(filter.text, 'The text of contains') };
    default:
      throw refused(
        `A filter has no op ${shown(op)}.`,
        'There are =, !=, <, <=, >, >=, between, in, is_null, like, contains, and, or, not.',
      );
  }
}

/** Text for whatever JSON does not hold exactly. */
function wireValue(value: unknown, column: string): Value {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  if (value === null) return null;
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  throw refused(
    `The column ${JSON.stringify(column)} is compared with ${shown(value)}, which is no value.`,
    'Values are texts, numbers, bigints, booleans, Dates and null.',
  );
}

function text(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw refused(`${what} is a text, not ${shown(value)}.`);
}

function list(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw refused(`${what} is a list, not ${shown(value)}.`);
}

function object(value: unknown, what: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw refused(`${what} is an object, not ${shown(value)}.`);
}
