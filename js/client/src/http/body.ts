import { NetworkError } from '../errors/index.ts';
import type { Deadline } from './deadline.ts';

/** What to say of a body that does not arrive. */
export interface BodyOf {
  url: string;
  requestId: string | undefined;
  /** Milliseconds without a byte after which it is given up. */
  stall: number;
}

/**
 * The same answer, whose body ends, fails with a named error, or is aborted: it never just stays.
 *
 * The time that its reader takes does not count.
 */
export function guardBody(response: Response, deadline: Deadline, about: BodyOf): Response {
  if (!response.body) {
    deadline.release();
    return response;
  }
  const reader = response.body.getReader();
  let received = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const late = `${about.url} sent nothing more for ${about.stall} ms.`;
          deadline.within(about.stall, late, about.requestId);
          const { done, value } = await deadline.race(reader.read());
          deadline.pause();
          if (!done) {
            received += value.byteLength;
            controller.enqueue(value);
            return;
          }
          deadline.release();
          controller.close();
        } catch (cause) {
          deadline.release();
          reader.cancel().catch(() => undefined);
          throw deadline.signal.aborted ? cause : brokeOff(about, received, cause);
        }
      },
      cancel(reason) {
        deadline.release();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

function brokeOff({ url, requestId }: BodyOf, received: number, cause: unknown): NetworkError {
  return new NetworkError(`The answer of ${url} broke off after ${received} bytes.`, {
    requestId,
    cause,
  });
}
