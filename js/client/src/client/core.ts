import { type Api, createApi } from '../http/api.ts';
import { Http } from '../http/http.ts';
import type { ClientOptions } from './options.ts';

/** What every part of the client leans on. */
export interface Core {
  readonly http: Http;
  readonly api: Api;
}

/** The parts that are shared by all calls of one client. */
export function createCore(options: ClientOptions): Core {
  const http = new Http(options);
  return { http, api: createApi(http) };
}
