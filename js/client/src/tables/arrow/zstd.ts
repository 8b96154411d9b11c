import { CompressionType, getCompressionCodec, setCompressionCodec } from '@uwdata/flechette';
import { fromZstd } from '../zstd.ts';

/** Let buffers that are packed with zstd be read. */
export function useZstd(): void {
  // one registry for all who use flechette in a program: what is there already may be faster
  if (getCompressionCodec(CompressionType.ZSTD)) return;
  setCompressionCodec(CompressionType.ZSTD, {
    decode: fromZstd,
    encode: (bytes: Uint8Array) => bytes, // packs nothing: who writes sets one of their own
  });
}
