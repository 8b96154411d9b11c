import type { Core } from '../client/core.ts';
import { UnauthenticatedError } from '../errors/index.ts';
import { answer, ending } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';

/** Who the server takes the caller for. */
export interface Identity {
  /** `user:alice` or `service:trainer`. */
  principal: string;
  displayName: string;
  groups: string[];
  /** What a narrowed token may do at most; empty: all that its account may. */
  scopes: string[];
  /** The version of the server. */
  serverVersion: string;
}

/**
 * See that the server answers, is one of Klarity Storage, and knows the caller.
 *
 * @throws UnauthenticatedError there is no token, or the server does not know it
 * @throws NetworkError the server cannot be reached
 */
export async function validate(core: Core, options: CallOptions = {}): Promise<Identity> {
  const told = ending(options);
  const [server, identity] = await Promise.all([
    answer(core.api.GET('/v1/server', told)),
    answer(core.api.GET('/v1/whoami', told)),
  ]);
  if (typeof identity.principal !== 'string') {
    throw new UnauthenticatedError('The server does not say who the caller is.', { status: 0 });
  }
  return {
    principal: identity.principal,
    displayName: identity.display_name,
    groups: identity.groups ?? [],
    scopes: identity.scopes ?? [],
    serverVersion: server.version,
  };
}
