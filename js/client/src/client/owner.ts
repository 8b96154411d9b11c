import { sha256 } from '../cache/digest.ts';
import type { components } from '../contract/openapi.ts';
import { type Api, answer, ending } from '../http/api.ts';
import type { CallOptions, Http } from '../http/http.ts';

/** Whose bytes they are that the caller reads: asked of the server once a token. */
export class Owner {
  readonly #api: Api;
  readonly #http: Http;
  #known: { token: string; owner: Promise<string> } | undefined;

  constructor(api: Api, http: Http) {
    this.#api = api;
    this.#http = http;
  }

  /** A digest that is the same for all tokens that see the same things as the same caller. */
  async now(options: CallOptions): Promise<string> {
    const token = await this.#http.token(options);
    if (token === undefined) return 'public';
    if (this.#known?.token === token) return this.#known.owner;
    const identity = await answer(this.#api.GET('/v1/whoami', ending(options)));
    const owner = ownerOf(identity);
    const used = await this.#http.token(options); // it may have been renewed for this
    if (used !== undefined) this.#known = { token: used, owner };
    return owner;
  }
}

/** A token that is narrowed sees less than its account, so it is another owner. */
function ownerOf({ principal, scopes = [] }: components['schemas']['Identity']): Promise<string> {
  return sha256(new TextEncoder().encode(JSON.stringify([principal, [...scopes].sort()])));
}
