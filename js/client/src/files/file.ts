import type { CallOptions } from '../http/http.ts';

/** An address of the page's own at which a file lies in memory. */
export interface ObjectUrl {
  /** `blob:…`, for `src` and `href`. */
  readonly url: string;
  /** Let go of the memory; the address is good for nothing then. */
  revoke(): void;
}

/**
 * A file that can be read.
 *
 * What is read whole is verified by its SHA-256 before it is handed over; a stream is verified before
 * its last piece. The digest is of the whole, so of a slice only its place, length and the file's
 * ETag are: the server has checked the state of the object that it comes from.
 */
export interface StoredFile {
  /** Below its version, or beside its row. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** In lower-case hexadecimal; undefined where another tool than this project's put the file. */
  readonly sha256: string | undefined;
  readonly mediaType: string;
  /** What it is to a viewer: `image`, `overlay` or `table`, where a listing says so. */
  readonly role: string | undefined;
  /** The path of the image that it lies over. */
  readonly overlayOf: string | undefined;
  /** Its address at the server. It holds no token, so a page shows by it what is public. */
  readonly url: string;
  /** All of it. */
  bytes(options?: CallOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** All of it, with its media type; large ones are not in memory at once. */
  blob(options?: CallOptions): Promise<Blob>;
  /** All of it, as UTF-8. */
  text(options?: CallOptions): Promise<string>;
  /** All of it, as JSON. */
  json<T = unknown>(options?: CallOptions): Promise<T>;
  /** The bytes from `start` up to `end`, as `Array.slice` counts them. */
  slice(start?: number, end?: number, options?: CallOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** All of it, piece by piece; it fails before the last piece where it is damaged. */
  stream(options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /** An address for `<img src>` and `<a href>`: revoke it when it is not shown any more. */
  objectUrl(options?: CallOptions): Promise<ObjectUrl>;
}
