import type { Core } from '../client/core.ts';
import type { components } from '../contract/openapi.ts';
import { quoted } from '../http/address.ts';
import { answer, ending } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';
import { checkName } from '../layout/name.ts';
import type { ArrowTable } from './arrow-table.ts';
import type { TableKey } from './ask.ts';
import { type Column, columnsOf } from './columns.ts';
import { listFiles, type TableFile } from './parquet/plan.ts';
import type { RowQuery, Selection, TableQuery } from './query/query.ts';
import { arrow, arrowStream, count, iterRows } from './read.ts';
import type { Row } from './rows/row.ts';

/** A table of a space, as a list has it. */
export interface TableName {
  space: string;
  name: string;
}

/** A table: what was said of it when it was asked for, and ways to its rows. */
export interface DataTable extends TableName {
  /** The newest when it was asked for. */
  version: number;
  description: string;
  columns: Column[];
  partitions: string[];
  /** Undefined where the table's log does not tell. */
  rows: number | undefined;
  bytes: number;
  files: number;
  metadata: Record<string, string>;
  createdAt: Date | undefined;
  updatedAt: Date | undefined;
  /** Its columns now, or in another version. */
  getSchema(options?: CallOptions & { version?: number }): Promise<Column[]>;
  /**
   * Rows, all at once.
   *
   * @throws InvalidQueryError there is no such column, or a value is not of its type
   * @throws VersionNotFoundError the table has no such version
   */
  getRows<T = Row>(query?: RowQuery): Promise<T[]>;
  /** Rows as they come: as many as there are, in little memory. */
  iterRows<T = Row>(query?: RowQuery): AsyncIterable<T>;
  /** Rows as columns of Arrow: bigints for 64-bit integers, decimals in units of their scale. */
  getArrow(query?: TableQuery): Promise<ArrowTable>;
  /** Rows as an IPC stream, for any reader of Arrow. Its buffers may be compressed with zstd. */
  getArrowStream(query?: TableQuery): ReadableStream<Uint8Array>;
  /** How many rows. */
  count(query?: Selection): Promise<number>;
  /** The Parquet files of a version, the newest without one, in the order of their rows. */
  getParquetFiles(options?: CallOptions & { version?: number }): Promise<ParquetFile[]>;
}

/** A Parquet file of a version of a table. */
export interface ParquetFile {
  /** Below the table. */
  path: string;
  /** Its address, which the caller's token reads. */
  url: string;
  size: number;
  /** Undefined where the table's log does not tell. */
  rows: number | undefined;
  /** What all its rows have in the columns that the table is partitioned by; numbers are text. */
  partition: Record<string, string | boolean | null>;
  /** Bounds of columns of whole numbers, dates and text: not all that bound are values. */
  minima: Record<string, string>;
  maxima: Record<string, string>;
  /** How many nulls a column has in it. */
  nulls: Record<string, number>;
}

/**
 * The tables of a space that the caller may read, by name.
 *
 * @throws SpaceNotFoundError there is no such space, or the caller may not see it
 */
export async function getDataTables(
  core: Core,
  space: string,
  options: CallOptions = {},
): Promise<TableName[]> {
  const params = { path: { space: checkName(space, 'space') } };
  const asked = core.api.GET('/v1/spaces/{space}/tables', { params, ...ending(options) });
  const { items } = await answer(asked);
  return items.map(({ space, name }) => ({ space, name }));
}

/**
 * One table.
 *
 * @throws TableNotFoundError there is no such table, or the caller may not see it
 */
export async function getDataTable(
  core: Core,
  space: string,
  name: string,
  options: CallOptions = {},
): Promise<DataTable> {
  const key = { space: checkName(space, 'space'), name: checkName(name, 'table') };
  return { ...told(await describe(core, key, options)), ...ways(core, key) };
}

type Info = components['schemas']['TableInfo'];

async function describe(
  core: Core,
  { space, name }: TableKey,
  options: CallOptions & { version?: number },
): Promise<Info> {
  const { version } = options;
  const query = version === undefined ? {} : { version };
  const params = { path: { space, table: name }, query };
  const asked = core.api.GET('/v1/spaces/{space}/tables/{table}', { params, ...ending(options) });
  return await answer(asked);
}

function ways(core: Core, key: TableKey): Pick<DataTable, Exclude<keyof DataTable, keyof Told>> {
  const schema = async (options: CallOptions & { version?: number } = {}): Promise<Column[]> =>
    columnsOf(await describe(core, key, options));
  return {
    getSchema: schema,
    getRows: async <T>(query: RowQuery = {}) => {
      const rows: T[] = [];
      for await (const row of iterRows(core, key, query)) rows.push(row as T);
      return rows;
    },
    iterRows: <T>(query: RowQuery = {}) => iterRows(core, key, query) as AsyncIterable<T>,
    getArrow: (query = {}) => arrow(core, key, query),
    getArrowStream: (query = {}) => arrowStream(core, key, query),
    count: (query = {}) => count(core, key, query),
    getParquetFiles: async (options = {}) => {
      const { files } = await listFiles(core, key, options);
      return files.map((file) => parquetFile(core, key, file));
    },
  };
}

type Told = Omit<
  DataTable,
  'getSchema' | 'getRows' | 'iterRows' | 'getArrow' | 'getArrowStream' | 'count' | 'getParquetFiles'
>;

function told(info: Info): Told {
  return {
    space: info.space,
    name: info.name,
    version: info.version,
    description: info.description,
    columns: columnsOf(info),
    partitions: info.partitions,
    rows: info.rows ?? undefined,
    bytes: info.bytes,
    files: info.files,
    metadata: info.metadata,
    createdAt: info.created_at ? new Date(info.created_at) : undefined,
    updatedAt: info.updated_at ? new Date(info.updated_at) : undefined,
  };
}

function parquetFile(core: Core, { space, name }: TableKey, file: TableFile): ParquetFile {
  const { path, size, rows, partition, minima, maxima, nulls } = file;
  const url = core.http.baseUrl + quoted('files', space, 'tables', name, ...path.split('/'));
  return { path, url, size, rows: rows ?? undefined, partition, minima, maxima, nulls };
}
