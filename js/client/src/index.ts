/**
 * Read Klarity Storage from a browser or Node.
 *
 * @module
 */
export { type Client, createClient } from './client/client.ts';
export type { ClientOptions } from './client/options.ts';
export * from './errors/index.ts';
export type { CallOptions } from './http/http.ts';
export type { Token } from './http/token.ts';
export type { Space } from './spaces/space.ts';
