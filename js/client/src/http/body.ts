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
 * The same answer, whose body, `text()` and `json()` end, fail with a named error, or are aborted:
 * they never just stay.
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
  return readable(new Response(body, { status, statusText, headers }));
}

/** Chromium says `Failed to fetch` in place of the error that the body of an answer failed with. */
function readable(response: Response): Response {
  const text = async (): Promise<string> => {
    const decoder = new TextDecoder();
    let found = '';
    const reader = response.body?.getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) return found + decoder.decode();
      found += decoder.decode(value, { stream: true });
    }
  };
  return Object.assign(response, { text, json: async () => JSON.parse(await text()) });
}

function brokeOff({ url, requestId }: BodyOf, received: number, cause: unknown): NetworkError {
  return new NetworkError(`The answer of ${url} broke off after ${received} bytes.`, {
    requestId,
    cause,
  });
}
