import createFetchClient, { type Client as FetchClient } from 'openapi-fetch';
import type { paths } from '../contract/openapi.ts';
import { InternalError, StorageError } from '../errors/index.ts';
import type { CallOptions, Http } from './http.ts';
import { REQUEST_ID } from './problem.ts';

/** The calls of the contract, typed by it: `api.GET('/v1/spaces', { signal })`. */
export type Api = FetchClient<paths>;

/** A request that is not made yet: what openapi-fetch takes a `Request` for. */
class Asked {
  readonly url: string;
  readonly init: RequestInit & CallOptions;
  readonly method: string;

  constructor(url: string, init: RequestInit & CallOptions) {
    this.url = url;
    this.init = init;
    this.method = init.method ?? 'GET';
  }
}

/** The API over a server. */
export function createApi(http: Http): Api {
  const fetch = (asked: unknown): Promise<Response> => {
    const { url, init, method } = asked as Asked;
    return http.send({
      path: url,
      method: method as 'GET' | 'POST',
      headers: Object.fromEntries(new Headers(init.headers)),
      body: init.body as string | undefined,
      signal: init.signal ?? undefined,
      timeout: init.timeout,
    });
  };
  return createFetchClient<paths>({ baseUrl: '', fetch, Request: Asked as never });
}

/** What the calls of `api` take beside parameters: what ends them. */
export function ending({ signal, timeout }: CallOptions): { signal: AbortSignal | null } {
  return { signal: signal ?? null, timeout } as { signal: AbortSignal | null };
}

/**
 * The body of an answer.
 *
 * @throws InternalError it is no JSON: something else answers at this address
 */
export async function answer<T>(
  asked: Promise<{ data?: T; response: Response }>,
): Promise<NonNullable<T>> {
  let requestId: string | undefined;
  let cause: unknown;
  try {
    const { data, response } = await asked;
    requestId = response.headers.get(REQUEST_ID) ?? undefined;
    if (typeof data === 'object' && data !== null) return data;
  } catch (error) {
    if (error instanceof StorageError || !(error instanceof SyntaxError)) throw error;
    cause = error;
  }
  throw new InternalError('The server answered with something else than was asked for.', {
    status: 0,
    requestId,
    cause,
    hint: 'Is it a Klarity Storage server, and of a version that fits?',
  });
}
