import { decompress } from 'fzstd';
import { snappyUncompress } from 'hyparquet/src/snappy.js';
import { Unreadable } from './convert.ts';
import { Corrupt } from './levels.ts';

/** Bytes of a page at most: a header that says more is damaged. */
const LARGEST = 2 ** 29;

/** A page's bytes without their compression. */
export function unpacked(bytes: Uint8Array, codec: string, size: number): Uint8Array {
  if (size < 0 || size > LARGEST) throw new Corrupt('a page without a size');
  if (codec === 'UNCOMPRESSED') return bytes;
  const page = new Uint8Array(size);
  if (size === 0) return page;
  if (codec === 'SNAPPY') snappyUncompress(bytes, page);
  else if (codec === 'ZSTD') {
    const found = decompress(bytes, page);
    if (found.length !== size) throw new Corrupt('a page of another size than its header says');
  } else throw new Unreadable(`pages that are packed with ${codec}`);
  return page;
}
