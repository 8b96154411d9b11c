import type { Owner } from '../client/owner.ts';
import type { CallOptions } from '../http/http.ts';
import { sha256 } from './digest.ts';
import { Recent } from './recent.ts';
import { emptyStored, Stored } from './stored.ts';

/** What is kept of files that never change: in memory, and by the browser. */
export interface CacheOptions {
  /** Bytes in memory at most; 64 MiB without it. */
  memory?: number;
  /** Bytes that the browser keeps (Cache API) for one user at most; 512 MiB without it. */
  stored?: number;
  /** Bytes of the largest file that the browser keeps; 32 MiB without it. */
  largest?: number;
}

/** `auto`: in memory and by the browser; `memory`: not by the browser; `none`: not at all. */
export type CacheChoice = 'auto' | 'memory' | 'none' | CacheOptions;

/** What is asked for: bytes of this digest and no others. */
export interface Wanted {
  sha256: string;
  /** In bytes. */
  size: number;
}

const MIB = 1 << 20;

/** Whole files by their SHA-256; each user has its own, and gets nobody else's. */
export class Blobs {
  readonly #owner: Owner;
  readonly #bounds: Required<CacheOptions>;
  readonly #recent: Recent;
  readonly #server: Promise<string>;
  readonly #stored = new Map<string, Stored>();
  #emptied = 0;

  constructor(baseUrl: string, owner: Owner, choice: CacheChoice = 'auto') {
    this.#owner = owner;
    this.#bounds = boundsOf(choice);
    this.#recent = new Recent(this.#bounds.memory);
    this.#server = sha256(new TextEncoder().encode(baseUrl));
  }

  /** Whether nothing is to be kept anywhere. */
  get none(): boolean {
    return this.#bounds.memory === 0 && this.#bounds.stored === 0;
  }

  /** Whether the browser keeps a file of that size once it is read, so that its HTTP cache need not. */
  stores(size: number): boolean {
    const { stored, largest } = this.#bounds;
    return stored > 0 && size <= Math.min(stored, largest) && typeof caches !== 'undefined';
  }

  /** Whose the bytes are that are read now. */
  owner(options: CallOptions): Promise<string> {
    return this.none ? Promise.resolve('nobody') : this.#owner.now(options);
  }

  /** What is kept of a file, verified; a copy. */
  async find(owner: string, wanted: Wanted): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.none) return undefined;
    const key = `${owner}/${wanted.sha256}`;
    const recent = this.#recent.get(key);
    if (recent || !this.stores(wanted.size)) return recent;
    const emptied = this.#emptied;
    const store = await this.#of(owner);
    const kept = await store.get(wanted.sha256, wanted.size);
    if (!kept || emptied !== this.#emptied) return undefined;
    if ((await sha256(kept)) !== wanted.sha256) {
      await store.drop(wanted.sha256, wanted.size);
      return undefined;
    }
    this.#recent.put(key, kept);
    return kept;
  }

  /**
   * Keep a file that was verified.
   *
   * @param owner whose it was before it was read: where it is another's now, nobody gets it
   */
  async keep(owner: string, wanted: Wanted, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.none) return;
    const emptied = this.#emptied;
    const copy = new Response(bytes); // before whoever reads can write into it
    this.#recent.put(`${owner}/${wanted.sha256}`, bytes);
    if (!this.stores(wanted.size)) return;
    const store = await this.#of(owner);
    if (emptied === this.#emptied) store.put(wanted, copy);
  }

  /** Forget everything of this server, whoever read it. */
  async empty(): Promise<void> {
    this.#emptied += 1;
    this.#recent.clear();
    this.#stored.clear(); // what is still being written goes to a cache that is deleted
    await emptyStored(await this.#server);
  }

  async #of(owner: string): Promise<Stored> {
    const server = await this.#server;
    let store = this.#stored.get(owner);
    if (!store) {
      store = new Stored(server, owner, this.#bounds.stored);
      this.#stored.set(owner, store);
    }
    return store;
  }
}

function boundsOf(choice: CacheChoice): Required<CacheOptions> {
  if (choice === 'none') return { memory: 0, stored: 0, largest: 0 };
  const given = typeof choice === 'object' ? choice : {};
  const { memory = 64 * MIB, stored = 512 * MIB, largest = 32 * MIB } = given;
  return { memory, stored: choice === 'memory' ? 0 : stored, largest };
}
