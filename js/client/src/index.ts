/**
 * Read Klarity Storage from a browser or Node.
 *
 * @module
 */
export type { CacheChoice, CacheOptions } from './cache/blobs.ts';
export { type Client, createClient } from './client/client.ts';
export type { ClientOptions } from './client/options.ts';
export type { Deployment, DeploymentOptions } from './deployments/deployment.ts';
export * from './errors/index.ts';
export type { ObjectUrl, StoredFile } from './files/file.ts';
export type { CallOptions, HttpOptions } from './http/http.ts';
export type { Token } from './http/token.ts';
export type { Identity } from './identity/identity.ts';
export type { Kind } from './layout/name.ts';
export type { RowIndex } from './layout/row.ts';
export type { TableLike } from './layout/table.ts';
export type { Space } from './spaces/space.ts';
export type { ArrowColumn, ArrowTable } from './tables/arrow-table.ts';
export type { Column } from './tables/columns.ts';
export type { Filter, Value } from './tables/query/filter.ts';
export type {
  Order,
  RowQuery,
  Selection,
  Source,
  TableQuery,
  ValueOptions,
} from './tables/query/query.ts';
export type { Cell, Row } from './tables/rows/row.ts';
export type { DataTable, ParquetFile, TableName } from './tables/table.ts';
export type { Named, Tag } from './versions/look-up.ts';
export type { FilesOptions, Lineage, Version } from './versions/version.ts';
