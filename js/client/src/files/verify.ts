import { hex, sha256, startHash } from '../cache/digest.ts';
import { IntegrityError, NetworkError } from '../errors/index.ts';

/** What a file must be. */
export interface Expected {
  path: string;
  size: number;
  sha256: string | undefined;
}

/**
 * The same bytes.
 *
 * @throws IntegrityError their SHA-256 is another
 */
export async function verified(
  bytes: Uint8Array<ArrayBuffer>,
  file: Expected,
): Promise<Uint8Array<ArrayBuffer>> {
  if (file.sha256 !== undefined && (await sha256(bytes)) !== file.sha256) throw damaged(file);
  return bytes;
}

/** The same stream, that fails before its last piece where the whole is not what it should be. */
export async function verifiedStream(
  body: ReadableStream<Uint8Array>,
  file: Expected,
): Promise<ReadableStream<Uint8Array>> {
  const hash = await startHash();
  let at = 0;
  let held: Uint8Array | undefined;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>(
      {
        transform(piece, controller) {
          if (held) controller.enqueue(held);
          hash.update(piece);
          held = piece;
          at += piece.byteLength;
        },
        flush(controller) {
          if (at < file.size) {
            const told = `${JSON.stringify(file.path)} broke off after ${at} of ${file.size} bytes.`;
            throw new NetworkError(told);
          }
          const whole = at === file.size;
          if (!whole || (file.sha256 !== undefined && hash.hex() !== file.sha256)) {
            throw damaged(file);
          }
          if (held) controller.enqueue(held);
        },
      },
      undefined,
      { highWaterMark: 0 },
    ),
  );
}

/** The SHA-256 of a whole file that comes with an answer (RFC 9530), if one does. */
export function digestOf(headers: Headers): string | undefined {
  const found = /sha-256=:([A-Za-z0-9+/=]+):/.exec(headers.get('Repr-Digest') ?? '')?.[1];
  return found && hex(Uint8Array.from(atob(found), (letter) => letter.charCodeAt(0)));
}

function damaged({ path }: Expected): IntegrityError {
  return new IntegrityError(`${JSON.stringify(path)} is not what its SHA-256 says.`, {
    status: 0,
    hint: 'Ask again; if it stays, ks verify names what is damaged.',
  });
}
