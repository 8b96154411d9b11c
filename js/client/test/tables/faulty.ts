import { inject } from 'vitest';
import type { ClientOptions, DataTable } from '../../src/index.ts';
import { reader } from './open.ts';

/** A table whose rows, asked for at addresses that match, come as something on the way sends them. */
export async function faulty(
  name: string,
  fault: string,
  where: RegExp,
  options: Partial<ClientOptions> = {},
): Promise<DataTable> {
  const { address, faults } = inject('server');
  const fetch = (url: string, init: RequestInit): Promise<Response> =>
    globalThis.fetch(where.test(url) ? url.replace(address, `${faults}/${fault}`) : url, init);
  return await altered(name, fetch, options);
}

/** A table whose requests go through a function. */
export async function altered(
  name: string,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  options: Partial<ClientOptions> = {},
): Promise<DataTable> {
  const client = reader({ fetch: fetch as typeof globalThis.fetch, ...options });
  return await client.getDataTable('plots', name);
}
