import type { Filter, Value } from '../../query/filter.ts';
import { refused } from '../../query/wire.ts';
import type { Field } from '../schema.ts';
import { type Literal, literal, typeName } from './literal.ts';
import { nearest } from './nearest.ts';

/** Conditions and values that the server takes: what is more is refused on both ways. */
const CONDITIONS = 1_000;
const VALUES = 10_000;

/** Signs of a comparison. */
export type Sign = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** A filter with its columns found and its literals read; every `not` stands at a leaf. */
export type Compiled =
  | { op: 'and' | 'or'; parts: Compiled[] }
  | { op: 'compare'; field: Field; sign: Sign; literal: Literal | null }
  | { op: 'in'; field: Field; literals: Literal[]; hasNull: boolean; not: boolean }
  | { op: 'is_null'; field: Field; not: boolean }
  | { op: 'text'; field: Field; fits: (text: string) => boolean; not: boolean };

/** A leaf of it. */
export type Leaf = Exclude<Compiled, { op: 'and' | 'or' }>;

const OPPOSITE = { '=': '!=', '!=': '=', '<': '>=', '>=': '<', '>': '<=', '<=': '>' } as const;

/**
 * A filter for the columns of a table.
 *
 * @throws InvalidQueryError there is no such column, or a value is not of its type
 */
export function compile(filter: Filter, fields: readonly Field[]): Compiled {
  const size = { conditions: 0, values: 0 };
  const found = compiled(filter, fields, false, size);
  if (size.conditions > CONDITIONS || size.values > VALUES) {
    throw refused(`The filter is larger than ${CONDITIONS} conditions or ${VALUES} values.`);
  }
  return found;
}

/** The column of a name, or the error that says which is near. */
export function findField(name: string, fields: readonly Field[]): Field {
  const found = fields.find((field) => field.name === name);
  if (found) return found;
  const names = fields.map((field) => field.name);
  throw refused(
    `There is no column '${name}'${nearest(name, names)}.`,
    `The columns are ${names.join(', ')}.`,
  );
}

/** The columns that a filter looks at. */
export function columnsIn(filter: Compiled): Field[] {
  return 'parts' in filter ? filter.parts.flatMap(columnsIn) : [filter.field];
}

function compiled(
  filter: Filter,
  fields: readonly Field[],
  not: boolean,
  size: { conditions: number; values: number },
): Compiled {
  size.conditions++;
  switch (filter.op) {
    case 'and':
    case 'or': {
      const parts = filter.conditions.map((part) => compiled(part, fields, not, size));
      return { op: (filter.op === 'and') === not ? 'or' : 'and', parts };
    }
    case 'not':
      return compiled(filter.condition, fields, !not, size);
  }
  const field = findField(filter.column, fields);
  const compare = (sign: Sign, value: Value): Compiled => ({
    op: 'compare',
    field,
    sign: not ? OPPOSITE[sign] : sign,
    literal: literal(value, field),
  });
  switch (filter.op) {
    case 'between':
      return {
        op: not ? 'or' : 'and',
        parts: [compare('>=', filter.low), compare('<=', filter.high)],
      };
    case 'in': {
      size.values += filter.values.length;
      const found = filter.values.map((value) => literal(value, field));
      if (found.length === 0) return { op: not ? 'and' : 'or', parts: [] };
      const literals = found.filter((value) => value !== null);
      return { op: 'in', field, literals, hasNull: literals.length < found.length, not };
    }
    case 'is_null':
      return { op: 'is_null', field, not };
    case 'like':
      return { op: 'text', field: textual(field), fits: pattern(filter.pattern), not };
    case 'contains': {
      const { text } = filter;
      return { op: 'text', field: textual(field), fits: (value) => value.includes(text), not };
    }
    default:
      return compare(filter.op, filter.value);
  }
}

function textual(field: Field): Field {
  if (field.type.kind === 'string') return field;
  throw refused(
    `The column '${field.name}' is ${typeName(field.type)}, and only text is searched.`,
    'Compare its values.',
  );
}

/** LIKE as DataFusion reads it: a backslash takes its meaning from whatever follows. */
function pattern(like: string): (text: string) => boolean {
  let source = '';
  const letters = [...like];
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at] as string;
    if (letter === '%') source += '.*';
    else if (letter === '_') source += '.';
    else {
      const taken = letter === '\\' && at + 1 < letters.length ? (letters[++at] as string) : letter;
      source += taken.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
    }
  }
  const expression = new RegExp(`^${source}$`, 'su');
  return (text) => expression.test(text);
}
