import { inject } from 'vitest';
import type { Client, ClientOptions, DataTable } from '../../src/index.ts';
import { connect } from '../connect.ts';

/** A client who reads the space of tables. */
export function reader(options: Partial<ClientOptions> = {}): Client {
  return connect({ token: inject('server').tables.reader, ...options });
}

/** One of its tables. */
export async function open(name: string): Promise<DataTable> {
  return await reader().getDataTable('plots', name);
}

/** What a call fails with. */
export async function failure(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => 'no failure',
    (error: unknown) => error,
  );
}
