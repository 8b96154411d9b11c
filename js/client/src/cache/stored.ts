import type { Wanted } from './blobs.ts';

/** Kept by name, for this origin: `caches` of the page, where it has one. */
const PREFIX = 'klarity-storage';
/** Files of one owner: what is listed at once. */
const MOST = 8192;
/** After so many, what other tabs keep is counted too. */
const LOOK_AGAIN = 64;

/**
 * The Cache API as a store of one owner's bytes, up to a bound, whose oldest go first.
 *
 * What is used moves to the end as long as the page lives; other tabs are looked at now and then.
 */
export class Stored {
  readonly #bound: number;
  readonly #name: string;
  #opened: Promise<Cache | undefined> | undefined;
  #sizes: Map<string, number> | undefined;
  #puts = 0;
  #turn: Promise<void> = Promise.resolve();

  /**
   * @param server whose bytes they are
   * @param owner who may read them
   * @param bound bytes at most
   */
  constructor(server: string, owner: string, bound: number) {
    this.#name = `${PREFIX}/${server}/${owner}`;
    this.#bound = bound;
  }

  /** What is kept of an object, unverified. */
  async get(sha256: string, size: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const cache = await this.#open();
    const key = keyOf(sha256, size);
    try {
      const found = await cache?.match(key);
      if (!found) return undefined;
      if (this.#sizes?.delete(key)) this.#sizes.set(key, size);
      return new Uint8Array(await found.arrayBuffer());
    } catch {
      return undefined; // emptied meanwhile, or the disk fails: the server has it
    }
  }

  /** Keep an object soon, and let go of others until all fit. */
  put({ sha256, size }: Wanted, bytes: Response): void {
    this.#turn = this.#turn
      .then(async () => {
        const cache = await this.#open();
        if (cache) await this.#put(cache, keyOf(sha256, size), size, bytes);
      })
      .catch(() => {
        // a browser that gives no more room takes nothing from whoever reads
        this.#sizes = undefined;
      });
  }

  /** Forget an object that is not what it should be. */
  async drop(sha256: string, size: number): Promise<void> {
    const cache = await this.#open();
    this.#sizes?.delete(keyOf(sha256, size));
    await cache?.delete(keyOf(sha256, size)).catch(() => false);
  }

  async #put(cache: Cache, key: string, length: number, bytes: Response): Promise<void> {
    if (!this.#sizes || ++this.#puts % LOOK_AGAIN === 0) this.#sizes = await sizesOf(cache);
    const sizes = this.#sizes;
    if (sizes.has(key)) return;
    let total = length;
    for (const size of sizes.values()) total += size;
    for (const [oldest, size] of sizes) {
      if (total <= this.#bound && sizes.size < MOST) break;
      await cache.delete(oldest);
      sizes.delete(oldest);
      total -= size;
    }
    await cache.put(key, bytes);
    sizes.set(key, length);
  }

  #open(): Promise<Cache | undefined> {
    this.#opened ??= openCache(this.#name);
    return this.#opened;
  }
}

/** Delete what is kept of a server for whomever, in all tabs of this origin. */
export async function emptyStored(server: string): Promise<void> {
  if (typeof caches === 'undefined') return;
  const names = await caches.keys().catch(() => []);
  const its = names.filter((name) => name.startsWith(`${PREFIX}/${server}/`));
  await Promise.all(its.map((name) => caches.delete(name)));
}

async function openCache(name: string): Promise<Cache | undefined> {
  // Node has none, nor has a page that came by plain http or whose user forbids it
  if (typeof caches === 'undefined') return undefined;
  return caches.open(name).catch(() => undefined);
}

async function sizesOf(cache: Cache): Promise<Map<string, number>> {
  const keys = (await cache.keys()).map(({ url }) => url);
  return new Map(keys.map((url) => [url, Number(url.slice(url.lastIndexOf('/') + 1))]));
}

/** No address of anything: it holds neither a token nor who asked. */
function keyOf(sha256: string, size: number): string {
  return `https://cache.invalid/${sha256}/${size}`;
}
