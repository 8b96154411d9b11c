import { comparison } from './compare.ts';
import type { Compiled, Leaf } from './compile.ts';
import type { Literal, Plain } from './literal.ts';

/** What is known of a column's values in a file, a row group or a page. */
export interface Bounds {
  /** Not all that bound are values. */
  min?: Plain | undefined;
  max?: Plain | undefined;
  nulls?: number | undefined;
  /** Whether there is nothing but nulls. */
  allNull?: boolean | undefined;
}

/** Whether there may be a row for which a filter holds. */
export function mayHold(filter: Compiled, known: (leaf: Leaf) => Bounds | undefined): boolean {
  if ('parts' in filter) {
    const test = (part: Compiled): boolean => mayHold(part, known);
    return filter.op === 'and' ? filter.parts.every(test) : filter.parts.some(test);
  }
  const bounds = known(filter);
  return bounds === undefined || leafMayHold(filter, bounds);
}

function leafMayHold(leaf: Leaf, bounds: Bounds): boolean {
  const { allNull, nulls, min, max } = bounds;
  if (leaf.op === 'is_null') return leaf.not ? !allNull : allNull === true || nulls !== 0;
  if (allNull) return false;
  if (leaf.op === 'text') return true;
  const literals = leaf.op === 'in' ? leaf.literals : leaf.literal ? [leaf.literal] : [];
  if (leaf.op === 'compare' && literals.length === 0) return false;
  const { kind } = leaf.field.type;
  // they leave NaN out
  if (kind === 'float' || kind === 'double' || min === undefined || max === undefined) return true;
  if (leaf.op === 'in') {
    return leaf.not || literals.some((one) => between(leaf, one, min, max));
  }
  const [one] = literals as [Literal];
  const order = comparison(leaf.field.type);
  const [low, high] = [scaled(min, one), scaled(max, one)];
  switch (leaf.sign) {
    case '=':
      return between(leaf, one, min, max);
    case '<':
      return order(low, one.value) < 0;
    case '<=':
      return order(low, one.value) <= 0;
    case '>':
      return order(high, one.value) > 0;
    case '>=':
      return order(high, one.value) >= 0;
    case '!=':
      return true;
  }
}

function between(leaf: Leaf, one: Literal, min: Plain, max: Plain): boolean {
  const order = comparison(leaf.field.type);
  return order(scaled(min, one), one.value) <= 0 && order(scaled(max, one), one.value) >= 0;
}

function scaled(value: Plain, { float, factor }: Literal): Plain {
  if (float) return Number(value);
  return factor === 1n ? value : (value as bigint) * factor;
}
