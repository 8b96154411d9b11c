// Written by `npm run contract` from contract/; do not edit.
import { StorageError } from './storage-error.ts';

/** Somebody else was first: refresh and try again. */
export class ConflictError extends StorageError {
  static override readonly code: string = 'conflict';
  static override readonly status: number = 409;
  override readonly name: string = 'ConflictError';
}

/** The caller may see the thing, but not do this to it. */
export class ForbiddenError extends StorageError {
  static override readonly code: string = 'forbidden';
  static override readonly status: number = 403;
  override readonly name: string = 'ForbiddenError';
}

/** Bytes are not what their digest says; they were not handed over. */
export class IntegrityError extends StorageError {
  static override readonly code: string = 'integrity';
  static override readonly status: number = 502;
  override readonly name: string = 'IntegrityError';
}

/** A defect of ours. */
export class InternalError extends StorageError {
  static override readonly code: string = 'internal';
  static override readonly status: number = 500;
  override readonly name: string = 'InternalError';
}

/** The input cannot be used as it is. */
export class InvalidInputError extends StorageError {
  static override readonly code: string = 'invalid_input';
  static override readonly status: number = 400;
  override readonly name: string = 'InvalidInputError';
}

/** It does not exist, or the caller may not see it: the two look the same. */
export class NotFoundError extends StorageError {
  static override readonly code: string = 'not_found';
  static override readonly status: number = 404;
  override readonly name: string = 'NotFoundError';
}

/** It would bring the space above its quota: free some room, or ask for more. */
export class QuotaError extends StorageError {
  static override readonly code: string = 'quota';
  static override readonly status: number = 403;
  override readonly name: string = 'QuotaError';
}

/** No token, or one that is unknown, expired or revoked. */
export class UnauthenticatedError extends StorageError {
  static override readonly code: string = 'unauthenticated';
  static override readonly status: number = 401;
  override readonly name: string = 'UnauthenticatedError';
}

/** The server, the engine or a disk does not answer: wait and try again. */
export class UnavailableError extends StorageError {
  static override readonly code: string = 'unavailable';
  static override readonly status: number = 503;
  override readonly name: string = 'UnavailableError';
}

/** It exists already. */
export class AlreadyExistsError extends ConflictError {
  static override readonly code: string = 'already_exists';
  static override readonly status: number = 409;
  override readonly name: string = 'AlreadyExistsError';
}

/** The server has as much to do as it takes at once: wait and try again. */
export class BusyError extends UnavailableError {
  static override readonly code: string = 'busy';
  static override readonly status: number = 503;
  override readonly name: string = 'BusyError';
}

/** A setting that is unknown, missing or wrong. */
export class ConfigurationError extends InvalidInputError {
  static override readonly code: string = 'configuration';
  static override readonly status: number = 400;
  override readonly name: string = 'ConfigurationError';
}

/** The version has no such file. */
export class FileMissingError extends NotFoundError {
  static override readonly code: string = 'file_not_found';
  static override readonly status: number = 404;
  override readonly name: string = 'FileMissingError';
}

/** Data that cannot be read as a table. */
export class InvalidDataError extends InvalidInputError {
  static override readonly code: string = 'invalid_data';
  static override readonly status: number = 400;
  override readonly name: string = 'InvalidDataError';
}

/** A manifest that does not hold what it claims. */
export class InvalidManifestError extends InvalidInputError {
  static override readonly code: string = 'invalid_manifest';
  static override readonly status: number = 400;
  override readonly name: string = 'InvalidManifestError';
}

/** A space, name, tag or principal that breaks the naming rule. */
export class InvalidNameError extends InvalidInputError {
  static override readonly code: string = 'invalid_name';
  static override readonly status: number = 400;
  override readonly name: string = 'InvalidNameError';
}

/** A file path that could escape its prefix or fail on a disk. */
export class InvalidPathError extends InvalidInputError {
  static override readonly code: string = 'invalid_path';
  static override readonly status: number = 400;
  override readonly name: string = 'InvalidPathError';
}

/** SQL or a filter that cannot be run. */
export class InvalidQueryError extends InvalidInputError {
  static override readonly code: string = 'invalid_query';
  static override readonly status: number = 400;
  override readonly name: string = 'InvalidQueryError';
}

/** A reference that cannot be read, or a hash prefix that fits several versions. */
export class InvalidReferenceError extends InvalidInputError {
  static override readonly code: string = 'invalid_reference';
  static override readonly status: number = 400;
  override readonly name: string = 'InvalidReferenceError';
}

/** The address exists, but does not take this HTTP method. */
export class MethodNotAllowedError extends InvalidInputError {
  static override readonly code: string = 'method_not_allowed';
  static override readonly status: number = 405;
  override readonly name: string = 'MethodNotAllowedError';
}

/** The file is no image of a format that thumbnails are drawn of. */
export class NotAnImageError extends InvalidInputError {
  static override readonly code: string = 'not_an_image';
  static override readonly status: number = 415;
  override readonly name: string = 'NotAnImageError';
}

/** The file is another than the request's If-Match names. */
export class PreconditionFailedError extends InvalidInputError {
  static override readonly code: string = 'precondition_failed';
  static override readonly status: number = 412;
  override readonly name: string = 'PreconditionFailedError';
}

/** There is no such user, token or grant. */
export class PrincipalNotFoundError extends NotFoundError {
  static override readonly code: string = 'principal_not_found';
  static override readonly status: number = 404;
  override readonly name: string = 'PrincipalNotFoundError';
}

/** What a commit points at was purged as garbage meanwhile: upload it again. */
export class PurgedError extends ConflictError {
  static override readonly code: string = 'purged';
  static override readonly status: number = 409;
  override readonly name: string = 'PurgedError';
}

/** The query takes more time, memory or rows than one is given. */
export class QueryLimitError extends InvalidInputError {
  static override readonly code: string = 'query_limit';
  static override readonly status: number = 422;
  override readonly name: string = 'QueryLimitError';
}

/** The request asks for bytes that the file does not have, or for too many ranges. */
export class RangeNotSatisfiableError extends InvalidInputError {
  static override readonly code: string = 'range_not_satisfiable';
  static override readonly status: number = 416;
  override readonly name: string = 'RangeNotSatisfiableError';
}

/** Too many tokens that are not good came from there: wait and try again. */
export class RateLimitedError extends UnavailableError {
  static override readonly code: string = 'rate_limited';
  static override readonly status: number = 429;
  override readonly name: string = 'RateLimitedError';
}

/** Data whose columns or types do not fit the table. */
export class SchemaMismatchError extends InvalidInputError {
  static override readonly code: string = 'schema_mismatch';
  static override readonly status: number = 400;
  override readonly name: string = 'SchemaMismatchError';
}

/** A file changed while it was read, so its digest would be wrong. */
export class SourceChangedError extends ConflictError {
  static override readonly code: string = 'source_changed';
  static override readonly status: number = 409;
  override readonly name: string = 'SourceChangedError';
}

/** There is no such space, or the caller may not see it. */
export class SpaceNotFoundError extends NotFoundError {
  static override readonly code: string = 'space_not_found';
  static override readonly status: number = 404;
  override readonly name: string = 'SpaceNotFoundError';
}

/** There is no room left, or the disk is read-only. */
export class StorageFullError extends UnavailableError {
  static override readonly code: string = 'storage_full';
  static override readonly status: number = 507;
  override readonly name: string = 'StorageFullError';
}

/** There is no such table, or the caller may not see it. */
export class TableNotFoundError extends NotFoundError {
  static override readonly code: string = 'table_not_found';
  static override readonly status: number = 404;
  override readonly name: string = 'TableNotFoundError';
}

/** The request is larger than the server takes. */
export class TooLargeError extends InvalidInputError {
  static override readonly code: string = 'too_large';
  static override readonly status: number = 413;
  override readonly name: string = 'TooLargeError';
}

/** The request does not arrive in time. */
export class TooSlowError extends InvalidInputError {
  static override readonly code: string = 'too_slow';
  static override readonly status: number = 408;
  override readonly name: string = 'TooSlowError';
}

/** The image is damaged, or takes more pixels, memory or time than the server gives to one. */
export class UnreadableImageError extends InvalidInputError {
  static override readonly code: string = 'unreadable_image';
  static override readonly status: number = 422;
  override readonly name: string = 'UnreadableImageError';
}

/** There is no such name, version, tag or hash. */
export class VersionNotFoundError extends NotFoundError {
  static override readonly code: string = 'version_not_found';
  static override readonly status: number = 404;
  override readonly name: string = 'VersionNotFoundError';
}
