/** The bytes that were used last, in memory, up to a bound. */
export class Recent {
  readonly #bound: number;
  readonly #kept = new Map<string, Uint8Array<ArrayBuffer>>();
  #size = 0;

  /** @param bound bytes at most */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /** A copy: whoever gets it may write into it. */
  get(key: string): Uint8Array<ArrayBuffer> | undefined {
    const found = this.#kept.get(key);
    if (!found) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, found);
    return found.slice();
  }

  /** Keep a copy, where it does not push out most of the others. */
  put(key: string, bytes: Uint8Array): void {
    if (bytes.byteLength * 8 > this.#bound || this.#kept.has(key)) return;
    this.#kept.set(key, new Uint8Array(bytes));
    this.#size += bytes.byteLength;
    for (const [oldest, { byteLength }] of this.#kept) {
      if (this.#size <= this.#bound) break;
      this.#kept.delete(oldest);
      this.#size -= byteLength;
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#size = 0;
  }
}
