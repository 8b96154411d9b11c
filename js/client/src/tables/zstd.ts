import { decompress } from 'fzstd';

/**
 * What bytes are that zstd has packed.
 *
 * @param size of what they are
 */
export function fromZstd(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(size);
  // fzstd asks `target == 1`, for which JavaScript would write all of it out as text: that took
  // three quarters of the time
  Object.defineProperty(target, Symbol.toPrimitive, { value: () => 0 });
  const found = decompress(bytes, target);
  if (found.length !== size) throw new Error(`${found.length} bytes, and not ${size}, were packed`);
  return target;
}
