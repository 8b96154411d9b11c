import type { Core } from '../client/core.ts';
import { InternalError, InvalidInputError, PreconditionFailedError } from '../errors/index.ts';
import type { CallOptions } from '../http/http.ts';
import { collect } from './collect.ts';
import type { ObjectUrl, StoredFile } from './file.ts';
import { gather } from './gather.ts';
import { digestOf, type Expected, verified, verifiedStream } from './verify.ts';

/** What is known of a file before it is read. */
export interface Described {
  path: string;
  size: number;
  /** Without it the file may change, and its digest comes with its bytes. */
  sha256?: string;
  mediaType: string;
  role?: string | undefined;
  overlayOf?: string | undefined;
  /** Below the server's address, escaped. */
  address: string;
}

/** Beyond this a blob is made piece by piece: bytes. */
const LARGE = 32 << 20;

/** A file that lies at the server. */
export class RemoteFile implements StoredFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string | undefined;
  readonly mediaType: string;
  readonly role: string | undefined;
  readonly overlayOf: string | undefined;
  readonly url: string;
  readonly #core: Core;
  readonly #about: Described;

  constructor(core: Core, about: Described) {
    this.path = about.path;
    this.size = about.size;
    this.sha256 = about.sha256;
    this.mediaType = about.mediaType;
    this.role = about.role;
    this.overlayOf = about.overlayOf;
    this.url = core.http.baseUrl + about.address;
    this.#core = core;
    this.#about = about;
  }

  async bytes(options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { sha256, size } = this;
    const { blobs } = this.#core;
    if (sha256 === undefined) return this.#collect(options);
    const owner = await blobs.owner(options);
    const found = await blobs.find(owner, { sha256, size });
    options.signal?.throwIfAborted();
    if (found) return found;
    const bytes = await this.#collect(options);
    // a token of somebody else may have been given meanwhile
    if (owner === (await blobs.owner(options))) await blobs.keep(owner, { sha256, size }, bytes);
    return bytes;
  }

  async blob(options: CallOptions = {}): Promise<Blob> {
    if (this.size <= LARGE) return new Blob([await this.bytes(options)], { type: this.mediaType });
    return gather(await this.stream(options), this.mediaType);
  }

  async text(options: CallOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.bytes(options));
  }

  async json<T = unknown>(options: CallOptions = {}): Promise<T> {
    const text = await this.text(options);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      const told = `${JSON.stringify(this.path)} is not JSON.`;
      throw new InvalidInputError(told, { status: 0, cause });
    }
  }

  async slice(
    start = 0,
    end: number = this.size,
    options: CallOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const [from, to] = [this.#place(start), this.#place(end)];
    const kept = await this.#kept(options);
    if (from >= to) return new Uint8Array();
    if (kept) return kept.slice(from, to);
    const headers = { Range: `bytes=${from}-${to - 1}` };
    const response = await this.#get(options, headers);
    const what = `${JSON.stringify(this.path)} from byte ${from}`;
    // a proxy may not know ranges
    if (response.status !== 206) {
      return (await collect(response.body, this.size, what)).slice(from, to);
    }
    const range = response.headers.get('Content-Range');
    if (range === `bytes ${from}-${to - 1}/${this.size}`) {
      return collect(response.body, to - from, what);
    }
    await response.body?.cancel().catch(() => undefined);
    throw new InternalError(`The server sent other bytes of it than were asked for: ${range}.`, {
      status: 0,
    });
  }

  async stream(options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const kept = await this.#kept(options);
    if (kept) return streamOf(kept);
    const response = await this.#get(options);
    if (!response.body) return streamOf(new Uint8Array());
    return verifiedStream(response.body, this.#expected(response));
  }

  async objectUrl(options: CallOptions = {}): Promise<ObjectUrl> {
    const url = URL.createObjectURL(await this.blob(options));
    return { url, revoke: () => URL.revokeObjectURL(url) };
  }

  async #kept(options: CallOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { sha256, size } = this;
    if (sha256 === undefined) return undefined;
    const { blobs } = this.#core;
    const found = await blobs.find(await blobs.owner(options), { sha256, size });
    options.signal?.throwIfAborted();
    return found;
  }

  async #collect(options: CallOptions): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#get(options);
    const bytes = await collect(response.body, this.size, JSON.stringify(this.path));
    return verified(bytes, this.#expected(response));
  }

  #expected({ headers }: Response): Expected {
    return { path: this.path, size: this.size, sha256: this.sha256 ?? digestOf(headers) };
  }

  async #get(options: CallOptions, headers?: Record<string, string>): Promise<Response> {
    const { http, blobs } = this.#core;
    const elsewhere = blobs.none || (!headers && blobs.stores(this.size));
    const response = await http.send({
      path: this.#about.address,
      headers: headers ?? {},
      cache: elsewhere ? 'no-store' : undefined,
      signal: options.signal,
      timeout: options.timeout,
    });
    const etag = response.headers.get('ETag');
    if (this.sha256 === undefined || etag === null || etag === `"${this.sha256}"`) return response;
    await response.body?.cancel().catch(() => undefined);
    throw new PreconditionFailedError(`${JSON.stringify(this.path)} is another file now.`, {
      status: 0,
      hint: 'Look it up again.',
    });
  }

  /** As `Array.slice` counts. */
  #place(index: number): number {
    const whole = Math.trunc(index) || 0;
    return Math.min(Math.max(whole < 0 ? whole + this.size : whole, 0), this.size);
  }
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      if (bytes.byteLength > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}
