import { TimedOutError } from '../errors/index.ts';

/** The end of a call: what its caller aborts, and what takes too long. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(caller: AbortSignal | undefined) {
    this.#caller = caller;
    if (caller?.aborted) this.#abort();
    else caller?.addEventListener('abort', this.#abort);
  }

  /** Aborted when the call has ended this way. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Let the call end in so many milliseconds, unless this is said again before. */
  within(milliseconds: number, message: string, requestId?: string): void {
    clearTimeout(this.#timer);
    if (milliseconds === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => this.#controller.abort(new TimedOutError(message, { requestId })),
      milliseconds,
    );
  }

  /** Let it take its time. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  /** The call is over: leave nothing behind. */
  release(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#abort);
  }

  /** What comes of the work, or the reason why the call ended before it. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    let leave = (): void => undefined;
    const ended = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason);
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave);
    });
    try {
      return await Promise.race([work, ended]);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', leave);
      ended.catch(() => undefined);
      work.catch(() => undefined);
    }
  }

  readonly #abort = (): void => this.#controller.abort(this.#caller?.reason);
}
