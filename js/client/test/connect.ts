import { inject } from 'vitest';
import { type Client, type ClientOptions, createClient } from '../src/index.ts';

/** A client of the test server, as its first reader unless another token is given. */
export function connect(options: Partial<ClientOptions> = {}): Client {
  const { address, versions } = inject('server');
  return createClient({ baseUrl: address, token: versions.readers.alice, ...options });
}

/** What a call fails with. */
export async function failure(call: Promise<unknown>): Promise<unknown> {
  const done = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in done) return done.error;
  throw new Error(`It did not fail, but gave ${JSON.stringify(done.value)}`);
}

/** Do something as the administrator; a page of another origin may not, so it goes a way of its own. */
export async function admin(
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const sent = body ? { body: JSON.stringify(body) } : {};
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${inject('server').faults}/admin${path}`, {
    method,
    headers,
    ...sent,
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? {} : answer.json();
}
