import {
  InternalError,
  InvalidInputError,
  StorageError,
  UnavailableError,
} from '../errors/index.ts';
import { CLASSES } from '../errors/list.ts';

/** The header by which the server's logs find a request. */
export const REQUEST_ID = 'X-Request-Id';

/** The error that an answer stands for: RFC 9457, or its status where a proxy answers. */
export async function errorOf(response: Response, url: string): Promise<StorageError> {
  const requestId = response.headers.get(REQUEST_ID) ?? undefined;
  const problem = await problemOf(response);
  const { status } = response;
  const retryAfter = Number(response.headers.get('Retry-After') ?? '') || undefined;
  if (!problem) {
    const told = `${status} ${response.statusText}`.trim();
    return new (classOf('', status))(`${url} answered ${told}.`, {
      status,
      requestId,
      retryAfter,
      hint: 'Is it a Klarity Storage server?',
    });
  }
  return errorFrom(problem, status, requestId, retryAfter);
}

/** The error that bytes of JSON tell of, or null where they are something else. */
export function errorOfProblem(
  bytes: Uint8Array,
  requestId: string | undefined,
): StorageError | null {
  try {
    const told = JSON.parse(new TextDecoder().decode(bytes));
    const problem = checked(told);
    if (!problem) return null;
    const status = typeof told.status === 'number' ? told.status : 500;
    return errorFrom(problem, status, requestId);
  } catch {
    return null;
  }
}

function errorFrom(
  { code, detail, hint, request_id }: Problem,
  status: number,
  requestId: string | undefined,
  retryAfter?: number | undefined,
): StorageError {
  return new (classOf(code, status))(detail, {
    code,
    status,
    retryAfter,
    hint: typeof hint === 'string' ? hint : undefined,
    requestId: typeof request_id === 'string' ? request_id : requestId,
  });
}

interface Problem {
  code: string;
  detail: string;
  hint?: unknown;
  request_id?: unknown;
}

async function problemOf(response: Response): Promise<Problem | undefined> {
  const type = response.headers.get('Content-Type') ?? '';
  if (!type.startsWith('application/problem+json')) {
    await response.body?.cancel().catch(() => undefined);
    return undefined;
  }
  try {
    return checked(await response.json());
  } catch (error) {
    // a body that breaks off says less than the status; one that takes too long, or is aborted,
    // is what the call ended by
    if (error instanceof SyntaxError || error instanceof StorageError) return undefined;
    throw error;
  }
}

function checked({ code, detail, hint, request_id }: Record<string, unknown>): Problem | undefined {
  if (typeof code !== 'string' || typeof detail !== 'string') return undefined;
  return { code, detail, hint, request_id };
}

/** The class of a code, or for one that a newer server made, of its status. */
function classOf(code: string, status: number): typeof StorageError {
  const known = CLASSES.find((cls) => cls.code === code);
  if (known) return known;
  if (status === 502 || status === 503 || status === 504) return UnavailableError; // of a proxy
  const like = CLASSES.find((cls) => cls.status === status);
  return like ?? (status >= 400 && status < 500 ? InvalidInputError : InternalError);
}
