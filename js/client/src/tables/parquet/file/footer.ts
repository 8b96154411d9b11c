import type { ColumnChunk, FileMetaData, ParquetParsers, RowGroup } from 'hyparquet';
import { parquetMetadata } from 'hyparquet/src/metadata.js';
import type { CallOptions } from '../../../http/http.ts';
import { Corrupt } from '../decode/levels.ts';
import { type Node, readNodes } from '../decode/node.ts';
import { type FileOf, type Range, readRanges } from './ranges.ts';

/** Bytes at a file's end that are read at first: most footers, with their page indexes. */
const TAIL = 128 << 10;

/** Bytes of a footer at most: of 10,000 columns in 100 row groups. */
const LARGEST = 256 << 20;

/** What statistics hold, as it stands in the file: bytes for text, integers for times. */
export const RAW: ParquetParsers = raw();

function raw(): ParquetParsers {
  const as = (value: unknown): unknown => value;
  return {
    timestampFromMilliseconds: as,
    timestampFromMicroseconds: as,
    timestampFromNanoseconds: as,
    dateFromDays: as,
    stringFromBytes: as,
    jsonFromBytes: as,
    geometryFromBytes: as,
    geographyFromBytes: as,
    uuidFromBytes: as,
  } as unknown as ParquetParsers;
}

/** A file that was opened: what its footer says, and its end, which often holds the page indexes. */
export interface OpenFile {
  file: FileOf;
  nodes: Node[];
  groups: RowGroup[];
  tail: Uint8Array;
}

/** Read a file's footer. */
export async function openFile(file: FileOf, options: CallOptions): Promise<OpenFile> {
  const first = Math.max(file.size - TAIL, 0);
  let [tail = new Uint8Array(0)] = await readRanges(
    file,
    [{ start: first, end: file.size }],
    options,
  );
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  if (tail.byteLength < 12) throw new Corrupt('a file that is too short');
  const length = view.getUint32(tail.byteLength - 8, true) + 8;
  if (length > Math.min(file.size, LARGEST)) throw new Corrupt('a footer that is too long');
  if (length > tail.byteLength) {
    const range = { start: file.size - length, end: file.size };
    [tail = tail] = await readRanges(file, [range], options);
  }
  const metadata: FileMetaData = parquetMetadata(tail, { parsers: RAW, geoparquet: false });
  return { file, nodes: readNodes(metadata.schema), groups: metadata.row_groups, tail };
}

/** Bytes of an open file: from its end where that has them. */
export async function readBytes(
  { file, tail }: OpenFile,
  ranges: readonly Range[],
  options: CallOptions,
): Promise<Uint8Array[]> {
  const first = file.size - tail.byteLength;
  const missing = ranges.filter(({ start }) => start < first);
  const read = missing.length > 0 ? await readRanges(file, missing, options) : [];
  return ranges.map((range) => {
    const { start, end } = range;
    if (start >= first) return tail.subarray(start - first, end - first);
    return read[missing.indexOf(range)] as Uint8Array;
  });
}

/** Where the bytes of a column of a row group lie. */
export function chunkRange({ meta_data: column }: ColumnChunk): Range {
  if (!column) throw new Corrupt('a column without its description');
  const { dictionary_page_offset: dictionary, data_page_offset: data } = column;
  // some writers say 0 where there is none
  const start = Number(dictionary && dictionary < data ? dictionary : data);
  return { start, end: start + Number(column.total_compressed_size) };
}
