import type { Core } from '../client/core.ts';
import { quoted } from '../http/address.ts';
import type { CallOptions } from '../http/http.ts';
import { REQUEST_ID } from '../http/problem.ts';
import type { WireQuery } from './query/wire.ts';

/** A query waits for its turn for up to 30 s, and may run for 120 s. */
const PATIENCE = 180_000;

/** The rows of a query as an IPC stream, as the server answers. */
export interface Answer {
  stream: ReadableStream<Uint8Array>;
  /** Of the table. */
  version: number;
  requestId: string | undefined;
}

/** Which table. */
export interface TableKey {
  space: string;
  name: string;
}

/**
 * Ask the server for rows.
 *
 * @throws TableNotFoundError there is no such table, or the caller may not see it
 * @throws InvalidQueryError there is no such column, or a value is not of its type
 */
export async function ask(
  core: Core,
  { space, name }: TableKey,
  query: WireQuery & { count?: boolean },
  { signal, timeout = PATIENCE }: CallOptions,
): Promise<Answer> {
  const zstd = import('./arrow/zstd.ts');
  zstd.catch(() => undefined); // told below, once there is something to read
  const response = await core.http.send({
    path: quoted('v1', 'spaces', space, 'tables', name, 'query'),
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(query),
    signal,
    timeout,
  });
  (await zstd).useZstd();
  return {
    stream: response.body ?? new ReadableStream({ start: (controller) => controller.close() }),
    version: Number(response.headers.get('X-Table-Version')),
    requestId: response.headers.get(REQUEST_ID) ?? undefined,
  };
}
