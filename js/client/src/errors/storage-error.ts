/** What is known of a failure beside its message. */
export interface ErrorDetails {
  /** One of `contract/errors.json`, where the server named one that this client does not know. */
  code?: string | undefined;
  /** The HTTP status of the answer; 0 where there was none. */
  status?: number | undefined;
  /** What to do next, where that is known. */
  hint?: string | undefined;
  /** The server's id of the request: its log and its audit log have the same. */
  requestId?: string | undefined;
  /** Seconds after which the server wants to be asked again at the earliest. */
  retryAfter?: number | undefined;
  /** What it follows from. */
  cause?: unknown;
}

/**
 * Anything that Klarity Storage refuses or fails to do: the root of all errors of this client.
 *
 * A call that its caller aborts is no failure: it rejects with the signal's reason.
 */
export class StorageError extends Error {
  /** What the class stands for in `contract/errors.json`. */
  static readonly code: string = 'storage_error';
  /** The HTTP status that comes with it. */
  static readonly status: number = 500;

  /** Of the class; written out, as bundlers shorten the names of classes. */
  override readonly name: string = 'StorageError';
  /** Stable, for programs. */
  readonly code: string;
  /** The HTTP status of the answer; 0 where there was none. */
  readonly status: number;
  /** What to do next, where that is known. */
  readonly hint: string | undefined;
  /** The server's id of the request: its log and its audit log have the same. */
  readonly requestId: string | undefined;
  /** Seconds after which the server wants to be asked again at the earliest, where it says so. */
  readonly retryAfter: number | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = details.code ?? new.target.code;
    this.status = details.status ?? new.target.status;
    this.hint = details.hint;
    this.requestId = details.requestId;
    this.retryAfter = details.retryAfter;
  }
}
