import type { RowGroup, SchemaElement } from 'hyparquet';
import type { CallOptions } from '../../../http/http.ts';
import { Corrupt } from '../decode/levels.ts';
import type { OpenFile } from '../file/footer.ts';
import { chunk, type PagePlace, pageBounds, pagePlaces } from '../file/pages.ts';
import type { Range } from '../file/ranges.ts';
import type { Compiled, Leaf } from '../filter/compile.ts';
import { type Literal, literal, type Plain } from '../filter/literal.ts';
import { type Bounds, mayHold } from '../filter/prune.ts';
import type { TableFile } from '../plan.ts';
import type { Field } from '../schema.ts';

/** Whether a file may hold rows for which a filter holds, by what the table's log says of it. */
export function fileMayHold(filter: Compiled, file: TableFile): boolean {
  return mayHold(filter, ({ field }) => {
    const { name } = field;
    const { partition, minima, maxima, nulls, rows } = file;
    if (name in partition) {
      const value = literal(partition[name] ?? null, field)?.value;
      return {
        min: value,
        max: value,
        nulls: value === undefined ? 1 : 0,
        allNull: value === undefined,
      };
    }
    const count = nulls[name];
    const [low, high] = [minima[name], maxima[name]];
    const bounds: Bounds = {
      nulls: count,
      allNull: count !== undefined && count === rows && rows > 0,
    };
    if (low === undefined || high === undefined) return bounds;
    const of = (text: string): Plain | undefined => (literal(text, field) as Literal).value;
    return { ...bounds, min: of(low), max: of(high) };
  });
}

/** The rows of a row group among which there may be some for which a filter holds. */
export async function candidates(
  open: OpenFile,
  group: RowGroup,
  filter: Compiled,
  partitions: readonly string[],
  options: CallOptions,
): Promise<Range[]> {
  const rows = { start: 0, end: Number(group.num_rows) };
  const stored = (leaf: Leaf): number | undefined => {
    const { name } = leaf.field;
    if (partitions.includes(name)) return undefined;
    return open.nodes.find((node) => node.name === name)?.leaf;
  };
  if (!mayHold(filter, (leaf) => groupBounds(open, group, leaf, stored(leaf)))) return [];
  return await pruned(open, group, filter, stored, rows, options);
}

/** Below this many rows pages are not worth looking at. */
const FEW = 2_000;

async function pruned(
  open: OpenFile,
  group: RowGroup,
  filter: Compiled,
  stored: (leaf: Leaf) => number | undefined,
  rows: Range,
  options: CallOptions,
): Promise<Range[]> {
  if (rows.end <= FEW) return [rows];
  const leaves = leavesIn(filter).filter((leaf) => stored(leaf) !== undefined);
  const numbers = [...new Set(leaves.map((leaf) => stored(leaf) as number))];
  const places = await pagePlaces(open, group, numbers, options);
  const known = new Map<number, Map<PagePlace, Bounds>>();
  for (const leaf of leaves) {
    const number = stored(leaf) as number;
    const pages = places.get(number);
    const element = elementOf(open, number);
    const found = await pageBounds(open, group, number, element, options);
    if (!pages || !found || found.length !== pages.length) continue;
    const bounds = found.map((page) => ({
      min: page.allNull ? undefined : asPlain(page.min, leaf.field, element),
      max: page.allNull ? undefined : asPlain(page.max, leaf.field, element),
      nulls: page.nulls,
      allNull: page.allNull,
    }));
    known.set(number, new Map(pages.map((page, at) => [page, bounds[at] as Bounds])));
  }
  if (known.size === 0) return [rows];
  // between two neighbouring edges of pages all columns have the same page
  const edges = [...known.values()].flatMap((pages) => [...pages.keys()].map(({ row }) => row));
  const starts = [...new Set([0, ...edges])].sort((a, b) => a - b);
  const kept: Range[] = [];
  const cursors = new Map([...known].map(([number, pages]) => [number, [...pages]] as const));
  const at = new Map<number, number>();
  starts.forEach((start, index) => {
    const end = starts[index + 1] ?? rows.end;
    const bounds = (leaf: Leaf): Bounds | undefined => {
      const number = stored(leaf);
      const pages = number === undefined ? undefined : cursors.get(number);
      if (!pages || number === undefined) return undefined;
      let page = at.get(number) ?? 0;
      while (page + 1 < pages.length && (pages[page + 1]?.[0].row ?? 0) <= start) page++;
      at.set(number, page);
      return pages[page]?.[1];
    };
    if (!mayHold(filter, bounds)) return;
    const last = kept.at(-1);
    if (last && last.end === start) last.end = end;
    else kept.push({ start, end });
  });
  return kept;
}

function leavesIn(filter: Compiled): Leaf[] {
  return 'parts' in filter ? filter.parts.flatMap(leavesIn) : [filter];
}

function groupBounds(
  open: OpenFile,
  group: RowGroup,
  leaf: Leaf,
  number: number | undefined,
): Bounds | undefined {
  if (number === undefined) return undefined;
  const element = elementOf(open, number);
  const { statistics } = chunk(group, number).meta_data ?? {};
  if (!statistics) return undefined;
  const nulls = statistics.null_count === undefined ? undefined : Number(statistics.null_count);
  return {
    min: asPlain(statistics.min_value, leaf.field, element),
    max: asPlain(statistics.max_value, leaf.field, element),
    nulls,
    allNull: nulls !== undefined && nulls === Number(group.num_rows),
  };
}

function elementOf(open: OpenFile, leaf: number): SchemaElement {
  const found = open.nodes.find((node) => node.leaf === leaf);
  if (!found) throw new Corrupt('a column that is not in its schema');
  return found.element;
}

/** A bound as it stands in a file, where it says the same of the table's column. */
function asPlain(bound: unknown, { type }: Field, element: SchemaElement): Plain | undefined {
  switch (type.kind) {
    case 'string':
      return bound instanceof Uint8Array ? bound : undefined;
    case 'byte':
    case 'short':
    case 'integer':
    case 'date':
      return typeof bound === 'number' ? bound : undefined;
    case 'long':
      return typeof bound === 'bigint' || typeof bound === 'number' ? BigInt(bound) : undefined;
    case 'timestamp':
    case 'timestamp_ntz': {
      const { logical_type: logical, converted_type: old } = element;
      const unit = logical?.type === 'TIMESTAMP' ? logical.unit : old;
      const micros = unit === 'MICROS' || unit === 'TIMESTAMP_MICROS';
      return micros && typeof bound === 'bigint' ? bound : undefined;
    }
  }
  return undefined;
}
