import type { ColumnTask } from './column.ts';
import { Unreadable } from './convert.ts';
import { Corrupt } from './levels.ts';
import type { Vector } from './vector.ts';

/** What a worker is sent. */
export interface Order {
  id: number;
  task: ColumnTask;
}

/** What it sends back. */
export type Delivery = { id: number } & (
  | { vector: Vector }
  | { error: string; unreadable: boolean }
);

interface Waiting {
  resolve: (vector: Vector) => void;
  reject: (error: unknown) => void;
}

/** Milliseconds after which workers without work are ended. */
const IDLE = 20_000;

const MOST = 4;

/** In place: what a worker does is loaded only where there is none. */
async function readHere(task: ColumnTask): Promise<Vector> {
  const { readColumn } = await import('./column.ts');
  return readColumn(task);
}

/** Workers of a page; where there can be none, columns are read in place. */
class Pool {
  #workers: Seat[] = [];
  #idle: ReturnType<typeof setTimeout> | undefined;
  #next = 0;
  readonly #most = Math.min(globalThis.navigator?.hardwareConcurrency ?? 1, MOST);

  async read(task: ColumnTask): Promise<Vector> {
    if (typeof Worker !== 'function' || typeof window === 'undefined') {
      return await readHere(task);
    }
    const seat = this.#free();
    if (!seat) return await readHere(task);
    clearTimeout(this.#idle);
    try {
      return await seat.read({ id: this.#next++, task });
    } finally {
      if (this.#workers.every(({ waiting }) => waiting.size === 0)) {
        this.#idle = setTimeout(() => this.#end(), IDLE);
      }
    }
  }

  /** The one with the least to do. */
  #free(): Seat | undefined {
    const idle = this.#workers.find(({ waiting }) => waiting.size === 0);
    if (idle) return idle;
    if (this.#workers.length < this.#most) {
      const seat = Seat.start();
      if (!seat) return undefined;
      this.#workers.push(seat);
      return seat;
    }
    return this.#workers.reduce((one, other) =>
      one.waiting.size <= other.waiting.size ? one : other,
    );
  }

  #end(): void {
    for (const { worker } of this.#workers) worker.terminate();
    this.#workers = [];
  }
}

class Seat {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting & { task: ColumnTask }> = new Map();
  #broken = false;
  #heard = false;

  /** Undefined where a page may not have workers. */
  static start(): Seat | undefined {
    try {
      return new Seat();
    } catch {
      return undefined;
    }
  }

  private constructor() {
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }: MessageEvent<Delivery>) => this.#take(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.#fail();
    };
  }

  async read(order: Order): Promise<Vector> {
    const { id, task } = order;
    if (this.#broken) return await readHere(task);
    return await new Promise<Vector>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, task });
      // until it has said something it may be one that never starts: what it gets is a copy
      const buffers = task.leaves.map(({ bytes }) => bytes.buffer as ArrayBuffer);
      this.worker.postMessage(order, this.#heard ? buffers : []);
    });
  }

  #take(delivery: Delivery): void {
    this.#heard = true;
    const waiting = this.waiting.get(delivery.id);
    this.waiting.delete(delivery.id);
    if ('vector' in delivery) waiting?.resolve(delivery.vector);
    else waiting?.reject(new (delivery.unreadable ? Unreadable : Corrupt)(delivery.error));
  }

  /** It cannot be loaded, or was ended: whoever waits is served in place, or told. */
  #fail(): void {
    this.#broken = true;
    for (const { task, resolve, reject } of this.waiting.values()) {
      if (this.#heard) reject(new Corrupt('what ended the worker that read it'));
      else readHere(task).then(resolve, reject);
    }
    this.waiting.clear();
  }
}

const pool: Pool = new Pool();

/** Read a column, in a worker where there can be one. */
export function decodeColumn(task: ColumnTask): Promise<Vector> {
  return pool.read(task);
}
