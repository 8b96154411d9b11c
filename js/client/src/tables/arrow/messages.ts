import { InternalError, NetworkError } from '../../errors/index.ts';
import { errorOfProblem } from '../../http/problem.ts';

/** Bytes of a message at most: what announces more is not an answer of ours. */
const LARGEST = 2 ** 30;

const KINDS = ['none', 'schema', 'dictionary', 'rows'] as const;

/** What a message holds: the first one tells the columns. */
export type Kind = (typeof KINDS)[number];

/** A message of Arrow's IPC stream, whole, with its head. */
export interface Message {
  bytes: Uint8Array<ArrayBuffer>;
  kind: Kind;
}

/** What to say of a stream in an error. */
export interface StreamOf {
  requestId: string | undefined;
}

/**
 * The messages of an IPC stream as they come.
 *
 * @throws StorageError why the server could not go on
 * @throws NetworkError the stream stops before its end marker
 * @throws InternalError it is something else than Arrow
 */
export async function* messages(
  stream: ReadableStream<Uint8Array>,
  about: StreamOf,
): AsyncGenerator<Message, void, undefined> {
  const pieces = new Pieces(stream);
  try {
    while (true) {
      const head = await pieces.take(8);
      const [mark, size] = head.byteLength === 8 ? new Int32Array(head.buffer) : [];
      if (mark === undefined || size === undefined) throw cutOff(about);
      if (mark !== -1 || size < 0 || size > LARGEST) throw notArrow(about);
      if (size === 0) {
        await pieces.finish();
        return;
      }
      const metadata = await pieces.take(size);
      if (metadata.byteLength < size) throw broken(metadata, size, about);
      const { kind, bodyLength } = described(metadata, about);
      const bytes = new Uint8Array(8 + size + bodyLength);
      bytes.set(head);
      bytes.set(metadata, 8);
      if (!(await pieces.fill(bytes.subarray(8 + size)))) throw cutOff(about);
      yield { bytes, kind };
    }
  } finally {
    pieces.close();
  }
}

/** The bytes of a stream, as many as are asked for. */
class Pieces {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** So many bytes of their own, or fewer where the stream ends. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    // what a stranger announces is not made room for before it has come
    const parts: Uint8Array[] = [];
    let taken = 0;
    while (taken < count && (await this.#more())) {
      const part = this.#rest.subarray(0, count - taken);
      this.#rest = this.#rest.subarray(part.byteLength);
      parts.push(part);
      taken += part.byteLength;
    }
    const bytes = new Uint8Array(taken);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.byteLength;
    }
    return bytes;
  }

  /** Fill all of it; false where the stream ends before. */
  async fill(target: Uint8Array): Promise<boolean> {
    let at = 0;
    while (at < target.byteLength) {
      if (!(await this.#more())) return false;
      const part = this.#rest.subarray(0, target.byteLength - at);
      target.set(part, at);
      at += part.byteLength;
      this.#rest = this.#rest.subarray(part.byteLength);
    }
    return true;
  }

  /** Take what is left, which is nothing: so the connection is good for another request. */
  async finish(): Promise<void> {
    try {
      while (!(await this.#reader.read()).done);
    } catch {
      // all rows have come
    }
  }

  /** Let the server know that nobody reads on. */
  close(): void {
    this.#reader.cancel().catch(() => undefined);
  }

  async #more(): Promise<boolean> {
    while (this.#rest.byteLength === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return false;
      this.#rest = value;
    }
    return true;
  }
}

/** The kind of a message and the length of its body, from its flatbuffer. */
function described(
  metadata: Uint8Array<ArrayBuffer>,
  about: StreamOf,
): {
  kind: Kind;
  bodyLength: number;
} {
  const view = new DataView(metadata.buffer);
  try {
    const table = view.getInt32(0, true);
    const slots = table - view.getInt32(table, true);
    const size = view.getUint16(slots, true);
    const at = (slot: number): number => (slot < size ? view.getUint16(slots + slot, true) : 0);
    const kind = KINDS[at(6) ? view.getUint8(table + at(6)) : 0];
    const bodyLength = at(10) ? Number(view.getBigInt64(table + at(10), true)) : 0;
    if (kind && bodyLength >= 0 && bodyLength <= LARGEST) return { kind, bodyLength };
  } catch (cause) {
    throw notArrow(about, cause); // an offset that leads out of it
  }
  throw notArrow(about);
}

/** What a message that is one byte short says: the problem for which the query ended. */
function broken(metadata: Uint8Array, size: number, about: StreamOf): Error {
  const told = metadata.byteLength === size - 1 ? errorOfProblem(metadata, about.requestId) : null;
  return told ?? cutOff(about);
}

function cutOff({ requestId }: StreamOf): NetworkError {
  return new NetworkError('The rows broke off before their end.', {
    requestId,
    hint: 'Ask again.',
  });
}

function notArrow({ requestId }: StreamOf, cause?: unknown): InternalError {
  return new InternalError('The server answered with something else than Arrow.', {
    status: 0,
    requestId,
    cause,
  });
}
