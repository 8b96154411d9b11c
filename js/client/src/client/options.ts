import type { CacheChoice } from '../cache/blobs.ts';
import type { HttpOptions } from '../http/http.ts';

/** How to reach a server, as whom, and what to keep. */
export interface ClientOptions extends HttpOptions {
  /** What is kept of files; `auto` without it. */
  cache?: CacheChoice | undefined;
}
