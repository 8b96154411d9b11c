/** A SHA-256 that is fed in pieces. */
export interface Hash {
  update(piece: Uint8Array): unknown;
  /** In lower-case hexadecimal; the last call. */
  hex(): string;
}

/** The SHA-256 of bytes, in lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // pages that came by plain http have no WebCrypto
  if (globalThis.crypto?.subtle) {
    return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
  }
  const hash = await startHash();
  hash.update(bytes);
  return hash.hex();
}

/** Begin a SHA-256 of what arrives in pieces, which WebCrypto cannot do. */
export async function startHash(): Promise<Hash> {
  const { sha256: noble } = await import('@noble/hashes/sha2.js');
  const state = noble.create();
  return { update: (piece) => state.update(piece), hex: () => hex(state.digest()) };
}

/** Bytes in lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
