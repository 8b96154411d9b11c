import type { ColumnChunk, RowGroup, SchemaElement } from 'hyparquet';
import { readColumnIndex, readOffsetIndex } from 'hyparquet/src/indexes.js';
import type { CallOptions } from '../../../http/http.ts';
import { Corrupt } from '../decode/levels.ts';
import { chunkRange, type OpenFile, RAW, readBytes } from './footer.ts';
import type { Range } from './ranges.ts';

/** A data page: where it lies, and which rows of its row group it holds. */
export interface PagePlace extends Range {
  row: number;
  to: number;
}

/** What is known of a page's values; bounds are as they stand in the file. */
export interface PageBounds {
  min: unknown;
  max: unknown;
  nulls: number | undefined;
  allNull: boolean;
}

/** The pages of columns of a row group, where the file has an index of them. */
export async function pagePlaces(
  open: OpenFile,
  group: RowGroup,
  leaves: readonly number[],
  options: CallOptions,
): Promise<Map<number, PagePlace[]>> {
  const indexed = leaves.filter((leaf) => group.columns[leaf]?.offset_index_offset !== undefined);
  const ranges = indexed.map((leaf) => {
    const { offset_index_offset: at, offset_index_length: length } = chunk(group, leaf);
    return { start: Number(at), end: Number(at) + Number(length) };
  });
  const found = await readBytes(open, ranges, options);
  const rows = Number(group.num_rows);
  return new Map(found.map((bytes, at) => [indexed[at] as number, places(bytes, rows)] as const));
}

/** What is known of the values of a column's pages, where the file has an index of them. */
export async function pageBounds(
  open: OpenFile,
  group: RowGroup,
  leaf: number,
  element: SchemaElement,
  options: CallOptions,
): Promise<PageBounds[] | undefined> {
  const { column_index_offset: at, column_index_length: length } = chunk(group, leaf);
  if (at === undefined) return undefined;
  const range = { start: Number(at), end: Number(at) + Number(length) };
  const [bytes] = await readBytes(open, [range], options);
  const index = readColumnIndex(reader(bytes as Uint8Array), element, RAW);
  return index.min_values.map((min, page) => ({
    min,
    max: index.max_values[page],
    nulls: index.null_counts ? Number(index.null_counts[page]) : undefined,
    allNull: index.null_pages[page] ?? false,
  }));
}

/** The bytes that hold some rows of a column, and the first row of theirs. */
export function bytesOf(
  group: RowGroup,
  leaf: number,
  pages: PagePlace[] | undefined,
  rows: Range,
): { ranges: Range[]; row: number } {
  const all = chunkRange(chunk(group, leaf));
  const inside = pages?.filter(({ row, to }) => to > rows.start && row < rows.end);
  const [first] = inside ?? [];
  const last = inside?.at(-1);
  const begin = pages?.[0];
  if (!first || !last || !begin) return { ranges: [all], row: 0 };
  const data = { start: first.start, end: last.end };
  const packed = pages?.indexOf(first) ?? 0;
  if (begin.start <= all.start || packed >= inDictionary(chunk(group, leaf)))
    return { ranges: [data], row: first.row };
  return { ranges: [{ start: all.start, end: begin.start }, data], row: first.row };
}

/**
 * How many of the first pages need the column's dictionary: a writer gives it up once it has grown too
 * large, and takes none again. It may be a megabyte.
 */
function inDictionary({ meta_data: column }: ColumnChunk): number {
  const stats = column?.encoding_stats;
  if (!stats) return Number.POSITIVE_INFINITY;
  return stats
    .filter(({ page_type: type, encoding }) => {
      return type?.startsWith('DATA_PAGE') && encoding?.endsWith('_DICTIONARY');
    })
    .reduce((sum, { count }) => sum + count, 0);
}

export function chunk(group: RowGroup, leaf: number): ColumnChunk {
  const found = group.columns[leaf];
  if (!found) throw new Corrupt('a row group that lacks a column');
  return found;
}

function places(bytes: Uint8Array, rows: number): PagePlace[] {
  const { page_locations: found } = readOffsetIndex(reader(bytes));
  return found.map(({ offset, compressed_page_size: size, first_row_index: row }, at) => ({
    start: Number(offset),
    end: Number(offset) + size,
    row: Number(row),
    to: Number(found[at + 1]?.first_row_index ?? rows),
  }));
}

function reader(bytes: Uint8Array): { view: DataView; offset: number } {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
}
