import { IntegrityError, InvalidInputError, NetworkError } from '../errors/index.ts';

/**
 * All of a body, whose length is known.
 *
 * @throws NetworkError it is shorter
 * @throws IntegrityError it is longer; no more than the length is ever in memory
 */
export async function collect(
  body: ReadableStream<Uint8Array> | null,
  length: number,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(length, what);
  let at = 0;
  const reader = body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || !value) break;
    if (at + value.byteLength > length) {
      reader?.cancel().catch(() => undefined);
      throw new IntegrityError(`${what} is longer than ${length} bytes.`, { status: 0 });
    }
    bytes.set(value, at);
    at += value.byteLength;
  }
  if (at < length) throw new NetworkError(`${what} broke off after ${at} of ${length} bytes.`);
  return bytes;
}

function allocate(length: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new InvalidInputError(`${what} has ${length} bytes, more than fit into memory.`, {
      status: 0,
      hint: 'Read it by stream(), or a part of it by slice().',
      cause,
    });
  }
}
