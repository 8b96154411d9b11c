import { ConfigurationError } from '../errors/index.ts';

/**
 * The address of a server, without a closing slash.
 *
 * @param text absolute, or in a page a path of its origin: empty for the origin itself
 * @throws ConfigurationError it is no http address, or holds a password
 */
export function baseAddress(text: string): string {
  let url: URL;
  try {
    url = new URL(text, globalThis.location?.origin);
  } catch (cause) {
    throw new ConfigurationError(`${JSON.stringify(text)} is not the address of a server.`, {
      hint: 'Write it as https://ks.example.org.',
      status: 0,
      cause,
    });
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new ConfigurationError(
      `The address of a server begins with https:// or http://, and holds no user or password.`,
      { status: 0 },
    );
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}

/** A path of these segments, each escaped. */
export function quoted(...segments: string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');
}
