import { Blobs } from '../cache/blobs.ts';
import { type Api, createApi } from '../http/api.ts';
import { Http } from '../http/http.ts';
import type { ClientOptions } from './options.ts';
import { Owner } from './owner.ts';

/** What every part of the client leans on. */
export interface Core {
  readonly http: Http;
  readonly api: Api;
  readonly blobs: Blobs;
  /** To reach another origin, without the token. */
  stranger(baseUrl: string): Http;
}

/** The parts that are shared by all calls of one client. */
export function createCore(options: ClientOptions): Core {
  const http = new Http(options);
  const api = createApi(http);
  const owner = new Owner(api, http);
  const blobs = new Blobs(http.baseUrl, owner, options.cache);
  const stranger = (baseUrl: string): Http => new Http({ ...options, baseUrl, token: undefined });
  return { http, api, blobs, stranger };
}
