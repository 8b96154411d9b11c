/**
 * Do work side by side, and give what comes of it in order.
 *
 * @param ahead how many pieces of work are begun at most
 */
export async function* inOrder<T, R>(
  work: AsyncIterator<T, void, undefined>,
  act: (piece: T) => Promise<R>,
  ahead: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<R, void, undefined> {
  const begun: Promise<R>[] = [];
  let more = true;
  try {
    while (more || begun.length > 0) {
      while (more && begun.length < ahead) {
        const { done, value } = await work.next();
        if (done) more = false;
        else {
          const result = act(value);
          result.catch(() => undefined); // told when its turn comes
          begun.push(result);
        }
      }
      const next = begun.shift();
      if (next) yield await next;
      signal?.throwIfAborted();
    }
  } finally {
    await work.return?.();
  }
}
