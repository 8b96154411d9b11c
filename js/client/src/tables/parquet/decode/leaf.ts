import { parquetHeader } from 'hyparquet/src/column.js';
import { unpacked } from './codecs.ts';
import { Corrupt, type Cursor, levels } from './levels.ts';
import { cut, type Dense, joined, type LeafType, pageValues } from './values.ts';

/** Pages of a leaf column, and which rows of them are wanted. */
export interface LeafPages extends LeafType {
  codec: string;
  /** The highest levels that there are. */
  def: number;
  rep: number;
  /** The dictionary's page, if there is one, and data pages that follow each other. */
  bytes: Uint8Array;
  /** Of the first data page's first row. */
  row: number;
  from: number;
  to: number;
}

/** What pages hold: levels, and the values that are no null. */
export interface Leaf {
  entries: number;
  /** Undefined where all are the highest. */
  def: Uint8Array | undefined;
  /** Undefined where all are 0. */
  rep: Uint8Array | undefined;
  values: Dense | undefined;
}

interface Page {
  count: number;
  rep: Uint8Array | undefined;
  def: Uint8Array | undefined;
  encoding: string;
  from: Cursor;
}

/** Read pages, as far as the wanted rows reach. */
export function readLeaf(pages: LeafPages): Leaf {
  const { bytes, from, to } = pages;
  const reader = {
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    offset: 0,
  };
  const parts: Part[] = [];
  let { row } = pages;
  let dictionary: Dense | undefined;
  while (reader.offset < bytes.byteLength && (pages.rep > 0 ? row <= to : row < to)) {
    const header = parquetHeader(reader);
    const end = reader.offset + header.compressed_page_size;
    if (!(header.compressed_page_size >= 0) || end > bytes.byteLength) {
      throw new Corrupt('a page that ends behind its column');
    }
    const packed = bytes.subarray(reader.offset, end);
    reader.offset = end;
    if (header.dictionary_page_header) {
      const page = unpacked(packed, pages.codec, header.uncompressed_page_size);
      const count = header.dictionary_page_header.num_values;
      dictionary = pageValues(pages, 'PLAIN', { bytes: page, at: 0 }, count, undefined);
      continue;
    }
    const rows = pages.rep === 0 && header.data_page_header?.num_values;
    if (rows && row + rows <= from) {
      row += rows;
      continue;
    }
    const page = opened(pages, packed, header);
    const part = wanted(pages, page, row, dictionary);
    row += part.rows;
    if (part.entries > 0) parts.push(part);
  }
  if (row < to) throw new Corrupt(`${row} rows where ${to} are announced`);
  return together(parts, pages.def);
}

interface Part extends Leaf {
  rows: number;
}

function opened(
  pages: LeafPages,
  packed: Uint8Array,
  header: ReturnType<typeof parquetHeader>,
): Page {
  const { codec, rep, def } = pages;
  const { data_page_header: first, data_page_header_v2: second } = header;
  const size = header.uncompressed_page_size;
  if (first) {
    const from = { bytes: unpacked(packed, codec, size), at: 0 };
    const count = counted(first.num_values);
    return {
      count,
      encoding: first.encoding,
      from,
      rep: rep > 0 ? (levels(from, rep, count) ?? new Uint8Array(count).fill(rep)) : undefined,
      def: def > 0 ? levels(from, def, count) : undefined,
    };
  }
  if (!second) throw new Corrupt('a page of another kind');
  const reps = second.repetition_levels_byte_length;
  const defs = second.definition_levels_byte_length;
  const head = { bytes: packed, at: 0 };
  const count = counted(second.num_values);
  const repeated = rep > 0 ? levels(head, rep, count, reps) : undefined;
  head.at = reps;
  const defined = def > 0 ? levels(head, def, count, defs) : undefined;
  const rest = packed.subarray(reps + defs);
  const plain = second.is_compressed === false;
  return {
    count,
    encoding: second.encoding,
    from: { bytes: plain ? rest : unpacked(rest, codec, size - reps - defs), at: 0 },
    rep: rep > 0 ? (repeated ?? new Uint8Array(count).fill(rep)) : undefined,
    def: defined,
  };
}

function counted(values: number): number {
  if (Number.isInteger(values) && values >= 0 && values < 2 ** 28) return values;
  throw new Corrupt('a page without a number of values');
}

/** What of a page is of the wanted rows, and how many rows begin in it. */
function wanted(pages: LeafPages, page: Page, row: number, dictionary: Dense | undefined): Part {
  const { def, rep, count } = page;
  let rows = count;
  let start = Math.max(pages.from - row, 0);
  let end = Math.min(pages.to - row, count);
  if (rep) {
    rows = 0;
    start = row > pages.from ? 0 : count; // a row may go on from the page before
    end = count;
    for (let at = 0; at < count; at++) {
      if (rep[at] !== 0) continue;
      if (row + rows === pages.from) start = at;
      if (row + rows === pages.to) end = Math.min(end, at);
      rows++;
    }
  }
  if (start >= end) return { rows, entries: 0, def: undefined, rep: undefined, values: undefined };
  const present = (from: number, to: number): number => {
    if (!def) return to - from;
    let sum = 0;
    for (let at = from; at < to; at++) if (def[at] === pages.def) sum++;
    return sum;
  };
  const before = present(0, start);
  const within = present(start, end);
  const values = pageValues(pages, page.encoding, page.from, present(0, count), dictionary);
  const all = before === 0 && end === count;
  return {
    rows,
    entries: end - start,
    def: def?.subarray(start, end),
    rep: rep?.subarray(start, end),
    values: all ? values : cut(values, before, before + within),
  };
}

function together(parts: Part[], highest: number): Leaf {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const entries = parts.reduce((sum, part) => sum + part.entries, 0);
  const all = (name: 'def' | 'rep'): Uint8Array | undefined => {
    if (!parts.some((part) => part[name])) return undefined;
    const found = new Uint8Array(entries);
    let at = 0;
    for (const part of parts) {
      const of = part[name];
      if (of) found.set(of, at);
      else found.fill(highest, at, at + part.entries);
      at += part.entries;
    }
    return found;
  };
  return {
    entries,
    def: all('def'),
    rep: all('rep'),
    values: joined(parts.flatMap(({ values }) => (values ? [values] : []))),
  };
}
