import type { Core } from '../../../client/core.ts';
import { IntegrityError } from '../../../errors/index.ts';
import { quoted } from '../../../http/address.ts';
import type { CallOptions } from '../../../http/http.ts';
import type { TableKey } from '../../ask.ts';
import { multipart } from './multipart.ts';

/** Bytes of a file, from one offset to another. */
export interface Range {
  start: number;
  end: number;
}

/** Bytes between two ranges that are rather read than asked around. */
const GAP = 32 << 10;

/** Bytes that are asked for with one request of many ranges at most: what is larger goes side by side. */
const TOGETHER = 4 << 20;

/** Ranges of a request that the server takes. */
const MANY = 32;

/** Bytes that stand before each of many ranges at most. */
const HEAD = 1024;

/** Which file of which table, and how long it is. */
export interface FileOf {
  core: Core;
  key: TableKey;
  path: string;
  size: number;
}

/**
 * Read ranges of a file, in as few requests as make sense.
 *
 * @throws IntegrityError the file is shorter than the table's log says
 * @throws NotFoundError it was vacuumed, or the caller may not see it any more
 */
export async function readRanges(
  file: FileOf,
  ranges: readonly Range[],
  options: CallOptions,
): Promise<Uint8Array[]> {
  for (const { start, end } of ranges) {
    if (!(start >= 0 && start <= end && end <= file.size)) {
      throw new IntegrityError(`${file.path} points behind its own end.`, { status: 0 });
    }
  }
  const asked = merged(ranges);
  const size = asked.reduce((sum, { start, end }) => sum + end - start, 0);
  const groups: Range[][] = [];
  if (asked.length > 1 && size <= TOGETHER) {
    for (let at = 0; at < asked.length; at += MANY) groups.push(asked.slice(at, at + MANY));
  } else groups.push(...asked.map((range) => [range]));
  const read = await Promise.all(groups.map((group) => request(file, group, options)));
  const pieces = read.flat();
  return ranges.map(({ start, end }) => {
    const at = asked.findIndex((range) => range.start <= start && end <= range.end);
    const piece = pieces[at] as Uint8Array;
    const from = start - (asked[at] as Range).start;
    return piece.subarray(from, from + end - start);
  });
}

/** The ranges in order, near ones as one. */
function merged(ranges: readonly Range[]): Range[] {
  const found: Range[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = found.at(-1);
    if (last && start <= last.end + GAP) last.end = Math.max(last.end, end);
    else found.push({ start, end });
  }
  return found;
}

async function request(
  file: FileOf,
  ranges: readonly Range[],
  { signal, timeout }: CallOptions,
): Promise<Uint8Array[]> {
  const { core, key, path } = file;
  const told = ranges.map(({ start, end }) => `${start}-${end - 1}`).join(',');
  const response = await core.http.send({
    path: quoted('files', key.space, 'tables', key.name, ...path.split('/')),
    headers: { Range: `bytes=${told}` },
    signal,
    timeout,
  });
  const wanted = ranges.reduce((sum, { start, end }) => sum + end - start + HEAD, 0);
  const bytes = await bodyOf(response, response.status === 206 ? wanted : file.size, path);
  const found = response.status === 206 ? parts(response, bytes, ranges) : whole(bytes, ranges);
  const complete = ranges.every(({ start, end }, at) => found[at]?.byteLength === end - start);
  if (complete) return found;
  throw new IntegrityError(`${path} did not come as it was asked for.`, {
    status: 0,
    hint: 'Ask again; where that does not help, the file is another than the table says.',
  });
}

/** All of a body; the browser's own `arrayBuffer` hides what it broke off for. */
async function bodyOf(response: Response, most: number, path: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || !value) break;
    pieces.push(value);
    size += value.byteLength;
    if (size > most) {
      reader?.cancel().catch(() => undefined);
      throw new IntegrityError(`${path} came with more than was asked for.`, { status: 0 });
    }
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

/** The ranges out of a whole file: what a proxy in between may make of them. */
function whole(bytes: Uint8Array, ranges: readonly Range[]): Uint8Array[] {
  return ranges.map(({ start, end }) => bytes.subarray(start, end));
}

function parts(response: Response, bytes: Uint8Array, ranges: readonly Range[]): Uint8Array[] {
  const type = response.headers.get('Content-Type') ?? '';
  const [, boundary] = /^multipart\/byteranges;.*boundary="?([^";]+)"?/i.exec(type) ?? [];
  if (boundary === undefined) return ranges.length === 1 ? [bytes] : [];
  const found = multipart(bytes, boundary);
  return ranges.map(({ start, end }) => {
    const part = found.find((one) => one.start <= start && end <= one.end);
    return part ? part.bytes.subarray(start - part.start, end - part.start) : new Uint8Array(0);
  });
}
