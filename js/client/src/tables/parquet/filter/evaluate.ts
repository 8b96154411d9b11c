import { isValid, type Vector } from '../decode/vector.ts';
import { comparison, valuesFor } from './compare.ts';
import type { Compiled, Leaf, Sign } from './compile.ts';
import type { Literal, Plain } from './literal.ts';

/** SQL's three answers, a byte each. */
export const FALSE = 0;
export const TRUE = 1;
export const OPEN = 2;

const TEXT = new TextDecoder();

/** The indices of the rows for which a filter holds. */
export function matching(
  filter: Compiled,
  columns: (name: string) => Vector,
  rows: number,
): Int32Array {
  const answers = answered(filter, columns, rows);
  const found = new Int32Array(rows);
  let count = 0;
  for (let at = 0; at < rows; at++) if (answers[at] === TRUE) found[count++] = at;
  return found.slice(0, count);
}

function answered(filter: Compiled, columns: (name: string) => Vector, rows: number): Uint8Array {
  if ('parts' in filter) {
    // of `and` one FALSE decides, of `or` one TRUE; else one that is OPEN leaves it so
    const [decides, start] = filter.op === 'and' ? [FALSE, TRUE] : [TRUE, FALSE];
    const whole = new Uint8Array(rows).fill(start);
    for (const part of filter.parts) {
      const answers = answered(part, columns, rows);
      for (let at = 0; at < rows; at++) {
        if (answers[at] === decides) whole[at] = decides;
        else if (answers[at] === OPEN && whole[at] !== decides) whole[at] = OPEN;
      }
    }
    return whole;
  }
  return leafAnswers(filter, columns(filter.field.name), rows);
}

function leafAnswers(leaf: Leaf, vector: Vector, rows: number): Uint8Array {
  const answers = new Uint8Array(rows);
  if (leaf.op === 'is_null') {
    for (let at = 0; at < rows; at++) answers[at] = Number(isValid(vector, at) === leaf.not);
    return answers;
  }
  if (leaf.op === 'compare' && leaf.literal === null) return answers.fill(OPEN);
  const test = tested(leaf, vector);
  for (let at = 0; at < rows; at++) answers[at] = isValid(vector, at) ? test(at) : OPEN;
  return answers;
}

function tested(leaf: Exclude<Leaf, { op: 'is_null' }>, vector: Vector): (at: number) => number {
  const { type } = leaf.field;
  switch (leaf.op) {
    case 'text': {
      const read = valuesFor(vector, type, NO_CHANGE);
      const { fits, not } = leaf;
      return (at) => Number(fits(TEXT.decode(read(at) as Uint8Array)) !== not);
    }
    case 'compare': {
      const { value } = leaf.literal as Literal;
      const read = valuesFor(vector, type, leaf.literal as Literal);
      const compare = comparison(type);
      const [less, same, more] = ACCEPTED[leaf.sign];
      return (at) => {
        const order = compare(read(at), value);
        return order < 0 ? less : order > 0 ? more : same;
      };
    }
    case 'in':
      return member(leaf, vector);
  }
}

const NO_CHANGE: Literal = { value: 0, factor: 1n, float: false };

const ACCEPTED: { [sign in Sign]: [number, number, number] } = {
  '=': [0, 1, 0],
  '!=': [1, 0, 1],
  '<': [1, 0, 0],
  '<=': [1, 1, 0],
  '>': [0, 0, 1],
  '>=': [0, 1, 1],
};

function member(leaf: Leaf & { op: 'in' }, vector: Vector): (at: number) => number {
  const { type } = leaf.field;
  const { not, hasNull, literals } = leaf;
  // by factor, as decimals with other digits are other units
  const sets = new Map<string, { like: Literal; keys: Set<unknown> }>();
  for (const like of literals) {
    const kind = `${like.factor} ${like.float}`;
    if (!sets.has(kind)) sets.set(kind, { like, keys: new Set() });
    sets.get(kind)?.keys.add(keyOf(like.value));
  }
  const tests = [...sets.values()].map(({ like, keys }) => {
    const read = valuesFor(vector, type, like);
    return (at: number) => keys.has(keyOf(read(at)));
  });
  const absent = hasNull ? OPEN : Number(not);
  return (at) => (tests.some((test) => test(at)) ? Number(!not) : absent);
}

/** Text for bytes, which a set would tell apart by where they lie. */
function keyOf(value: Plain): unknown {
  return value instanceof Uint8Array ? TEXT.decode(value) : value;
}
