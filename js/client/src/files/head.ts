import type { Core } from '../client/core.ts';
import { InternalError, NotFoundError } from '../errors/index.ts';
import type { CallOptions } from '../http/http.ts';
import { RemoteFile } from './remote.ts';

/**
 * Look up a file of a version by its address.
 *
 * @throws FileMissingError there is none
 */
export async function lookUp(
  core: Core,
  path: string,
  address: string,
  { signal, timeout }: CallOptions,
): Promise<RemoteFile> {
  const ask = { path: address, signal, timeout };
  const { headers } = await core.http.send({ ...ask, method: 'HEAD' }).catch(async (error) => {
    if (!(error instanceof NotFoundError)) throw error;
    // the answer to HEAD has no body that says what is missing; this one has
    const found = await core.http.send({ ...ask, headers: { Range: 'bytes=0-0' } });
    await found.body?.cancel();
    throw error;
  });
  const length = headers.get('Content-Length');
  // a version's file has its SHA-256 as its entity tag
  const sha256 = /^"([0-9a-f]{64})"$/.exec(headers.get('ETag') ?? '')?.[1];
  if (length === null || sha256 === undefined) {
    throw new InternalError(`The answer for ${JSON.stringify(path)} has no length or no ETag.`, {
      status: 0,
      hint: 'Does a proxy on the way leave out headers?',
    });
  }
  const mediaType = headers.get('Content-Type') ?? 'application/octet-stream';
  return new RemoteFile(core, { path, size: Number(length), sha256, mediaType, address });
}
