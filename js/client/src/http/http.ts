import { NetworkError } from '../errors/index.ts';
import { baseAddress } from './address.ts';
import { guardBody } from './body.ts';
import { Deadline } from './deadline.ts';
import { errorOf, REQUEST_ID } from './problem.ts';
import { type Token, Tokens } from './token.ts';

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds until the answer begins, at most; the client's own without it. */
  timeout?: number | undefined;
}

/** A request as the parts of this client make it. */
export interface Ask extends CallOptions {
  /** Below the server's address: begins with a slash, each segment escaped. */
  path: string;
  method?: 'GET' | 'HEAD' | 'POST';
  headers?: Record<string, string>;
  body?: string | undefined;
  /** As the browser's `fetch` knows it. */
  cache?: RequestCache | undefined;
}

/** How a client reaches its server. */
export interface HttpOptions {
  baseUrl: string;
  token?: Token | undefined;
  /** Instead of the environment's own. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds until an answer begins. */
  timeout?: number | undefined;
  /** Milliseconds between two pieces of an answer. */
  stall?: number | undefined;
}

/** One server and one caller: requests that succeed, or end in a named error. */
export class Http {
  readonly baseUrl: string;
  readonly tokens: Tokens;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeout: number;
  readonly #stall: number;

  constructor({ baseUrl, token, fetch, timeout = 60_000, stall = 30_000 }: HttpOptions) {
    this.baseUrl = baseAddress(baseUrl);
    this.tokens = new Tokens(token);
    this.#fetch = fetch ?? globalThis.fetch.bind(globalThis);
    this.#timeout = timeout;
    this.#stall = stall;
  }

  /**
   * Send a request, once more with another token where the first is refused.
   *
   * @returns an answer with a status of success, whose body ends, fails or is aborted
   * @throws StorageError as the server says it, NetworkError, TimedOutError
   */
  async send(ask: Ask): Promise<Response> {
    const deadline = new Deadline(ask.signal);
    const url = this.baseUrl + ask.path;
    const timeout = ask.timeout ?? this.#timeout;
    deadline.within(timeout, `${url} did not answer within ${timeout} ms.`);
    try {
      const token = await deadline.race(this.tokens.get());
      let response = await this.#sendAs(token, ask, deadline);
      if (response.status === 401) {
        const refusal = await deadline.race(errorOf(response, url));
        const renewed = await deadline.race(this.tokens.renew(token));
        if (renewed === undefined) throw refusal;
        response = await this.#sendAs(renewed, ask, deadline);
      }
      if (!response.ok) throw await deadline.race(errorOf(response, url));
      deadline.pause();
      const requestId = response.headers.get(REQUEST_ID) ?? undefined;
      return guardBody(response, deadline, { url, requestId, stall: this.#stall });
    } catch (error) {
      deadline.release();
      throw error;
    }
  }

  /** The token that is sent now, if there is one. */
  async token({ signal, timeout = this.#timeout }: CallOptions): Promise<string | undefined> {
    const deadline = new Deadline(signal);
    deadline.within(timeout, `There was no token within ${timeout} ms.`);
    try {
      return await deadline.race(this.tokens.get());
    } finally {
      deadline.release();
    }
  }

  async #sendAs(token: string | undefined, ask: Ask, deadline: Deadline): Promise<Response> {
    const headers = new Headers(ask.headers);
    if (token !== undefined) headers.set('Authorization', `Bearer ${token}`);
    const init: RequestInit = {
      method: ask.method ?? 'GET',
      headers,
      body: ask.body ?? null,
      signal: deadline.signal,
      credentials: 'omit',
      redirect: 'error', // a token does not follow to another server
      referrerPolicy: 'no-referrer',
    };
    if (ask.cache) init.cache = ask.cache;
    try {
      const fetch = this.#fetch; // called as a method, a browser's own refuses
      return await deadline.race(fetch(this.baseUrl + ask.path, init));
    } catch (cause) {
      if (deadline.signal.aborted) throw cause;
      throw new NetworkError(`The server ${this.baseUrl} does not answer.`, {
        hint:
          'Is it running, is the address right, and in a page: does it let this origin read ' +
          '(files.origins)?',
        cause,
      });
    }
  }
}
