import { snappyUncompress } from 'hyparquet/src/snappy.js';
import { fromZstd } from '../../zstd.ts';
import { Unreadable } from './convert.ts';
import { Corrupt } from './levels.ts';

/** Bytes of a page at most: a header that says more is damaged. */
const LARGEST = 2 ** 29;

/** A page's bytes without their compression. */
export function unpacked(bytes: Uint8Array, codec: string, size: number): Uint8Array {
  if (size < 0 || size > LARGEST) throw new Corrupt('a page without a size');
  if (codec === 'UNCOMPRESSED') return bytes;
  if (size === 0) return new Uint8Array(0);
  if (codec === 'ZSTD') return fromZstd(bytes, size);
  if (codec !== 'SNAPPY') throw new Unreadable(`pages that are packed with ${codec}`);
  const page = new Uint8Array(size);
  snappyUncompress(bytes, page);
  return page;
}
