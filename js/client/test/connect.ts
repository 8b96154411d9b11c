import { inject } from 'vitest';
import { type Client, type ClientOptions, createClient } from '../src/index.ts';

/** A client of the test server, as its first reader unless another token is given. */
export function connect(options: Partial<ClientOptions> = {}): Client {
  const { address, versions } = inject('server');
  return createClient({ baseUrl: address, token: versions.readers.alice, ...options });
}
