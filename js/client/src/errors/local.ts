import { UnavailableError } from './classes.ts';

/** The server cannot be reached, or its answer broke off. */
export class NetworkError extends UnavailableError {
  static override readonly code: string = 'network';
  static override readonly status: number = 0;
  override readonly name: string = 'NetworkError';
}

/** The server did not answer in time, or sent nothing more for too long. */
export class TimedOutError extends UnavailableError {
  static override readonly code: string = 'timed_out';
  static override readonly status: number = 0;
  override readonly name: string = 'TimedOutError';
}
