export * from './classes.ts';
export { NetworkError, TimedOutError } from './local.ts';
export { type ErrorDetails, StorageError } from './storage-error.ts';
