import type { CallOptions } from '../http/http.ts';
import { getSpace, getSpaces, type Space } from '../spaces/space.ts';
import { createCore } from './core.ts';
import type { ClientOptions } from './options.ts';

/** A connection of one caller to one server; it reads, and changes nothing. */
export interface Client {
  /** The spaces that the caller sees. */
  getSpaces(options?: CallOptions): Promise<Space[]>;
  /**
   * One space.
   *
   * @throws SpaceNotFoundError there is none of that key, or the caller may not see it
   */
  getSpace(key: string, options?: CallOptions): Promise<Space>;
}

/** Connect to a server: nothing is asked of it before the first call. */
export function createClient(options: ClientOptions): Client {
  const core = createCore(options);
  return {
    getSpaces: (options) => getSpaces(core, options),
    getSpace: (key, options) => getSpace(core, key, options),
  };
}
