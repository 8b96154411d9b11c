import type { Range } from './ranges.ts';

/** Bytes of a head at most: a boundary and two lines. */
const HEAD = 1024;

/** The parts of `multipart/byteranges`, which each say where they lie. */
export function multipart(body: Uint8Array, boundary: string): (Range & { bytes: Uint8Array })[] {
  const text = new TextDecoder('latin1');
  const found: (Range & { bytes: Uint8Array })[] = [];
  let at = 0;
  while (at < body.byteLength) {
    const ahead = text.decode(body.subarray(at, at + HEAD));
    const start = ahead.indexOf(`--${boundary}`);
    const end = ahead.indexOf('\r\n\r\n');
    if (start < 0 || end < start) return found;
    const [, first, last] = /content-range: bytes (\d+)-(\d+)\//i.exec(ahead.slice(0, end)) ?? [];
    if (first === undefined) return found;
    const range = { start: Number(first), end: Number(last) + 1 };
    const from = at + end + 4;
    at = from + range.end - range.start;
    found.push({ ...range, bytes: body.subarray(from, at) });
  }
  return found;
}
