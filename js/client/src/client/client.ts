import { getRawBinary } from '../binaries/binaries.ts';
import {
  type Deployment,
  type DeploymentOptions,
  getDeployment,
} from '../deployments/deployment.ts';
import type { StoredFile } from '../files/file.ts';
import type { CallOptions } from '../http/http.ts';
import { type Identity, validate } from '../identity/identity.ts';
import type { RowIndex } from '../layout/row.ts';
import type { TableLike } from '../layout/table.ts';
import { getSpace, getSpaces, type Space } from '../spaces/space.ts';
import { type DataTable, getDataTable, getDataTables, type TableName } from '../tables/table.ts';
import {
  getNames,
  getTags,
  getVersion,
  getVersions,
  type Named,
  type Tag,
} from '../versions/look-up.ts';
import type { Version } from '../versions/version.ts';
import { createCore } from './core.ts';
import type { ClientOptions } from './options.ts';

/** A connection of one caller to one server; it reads, and changes nothing. */
export interface Client {
  /** The server's address, without a closing slash. */
  readonly baseUrl: string;
  /**
   * See that the server answers and knows the caller, and who that is.
   *
   * @throws UnauthenticatedError there is no token, or the server does not know it
   * @throws NetworkError the server cannot be reached
   */
  validate(options?: CallOptions): Promise<Identity>;
  /** The spaces that the caller sees. */
  getSpaces(options?: CallOptions): Promise<Space[]>;
  /**
   * One space.
   *
   * @throws SpaceNotFoundError there is none of that key, or the caller may not see it
   */
  getSpace(key: string, options?: CallOptions): Promise<Space>;
  /** The artefacts of a space that the caller may read. */
  getArtefacts(space: string, options?: CallOptions): Promise<Named[]>;
  /** The models of a space that the caller may read. */
  getModels(space: string, options?: CallOptions): Promise<Named[]>;
  /** The datasets of a space that the caller may read. */
  getDatasets(space: string, options?: CallOptions): Promise<Named[]>;
  /**
   * The version that a reference stands for: `vision/datasets/cats@prod`, `…@3f9a`, or the latest.
   *
   * @throws VersionNotFoundError there is none, or the caller may not see it
   * @throws InvalidReferenceError the reference cannot be read, or its hash is ambiguous
   */
  getVersion(ref: string, options?: CallOptions): Promise<Version>;
  /** Every commit of a name, newest first. */
  getVersions(ref: string, options?: CallOptions): Promise<Version[]>;
  /** The tags of a name as they stand. */
  getTags(ref: string, options?: CallOptions): Promise<Tag[]>;
  /**
   * The binaries beside a row of a table, by name; nothing is read yet.
   *
   * @throws FileMissingError the row has none
   * @throws TableNotFoundError the caller may not see such a table
   */
  getRawBinary(table: TableLike, row: RowIndex, options?: CallOptions): Promise<StoredFile[]>;
  /**
   * What the deployment shows that this page belongs to, and the versions that are pinned with it.
   *
   * It is asked without the token, as it may lie at another origin.
   */
  getDeployment(options?: DeploymentOptions): Promise<Deployment>;
  /**
   * Forget the token, and all that is kept of this server on this device, whoever read it.
   *
   * Later calls of this client reject. Ranges of files and lists lie in the browser's HTTP cache,
   * which no page can empty: it gives them to nobody who does not send the same token.
   */
  logout(): Promise<void>;
  /**
   * The tables of a space that the caller may read.
   *
   * @throws SpaceNotFoundError there is no such space, or the caller may not see it
   */
  getDataTables(spaceKey: string, options?: CallOptions): Promise<TableName[]>;
  /**
   * One table, with ways to its rows.
   *
   * @throws TableNotFoundError there is no such table, or the caller may not see it
   */
  getDataTable(spaceKey: string, name: string, options?: CallOptions): Promise<DataTable>;
}

/** Connect to a server: nothing is asked of it before the first call. */
export function createClient(options: ClientOptions): Client {
  const core = createCore(options);
  return {
    baseUrl: core.http.baseUrl,
    validate: (options) => validate(core, options),
    getSpaces: (options) => getSpaces(core, options),
    getSpace: (key, options) => getSpace(core, key, options),
    getArtefacts: (space, options) => getNames(core, space, 'artefacts', options),
    getModels: (space, options) => getNames(core, space, 'models', options),
    getDatasets: (space, options) => getNames(core, space, 'datasets', options),
    getVersion: (ref, options) => getVersion(core, ref, options),
    getVersions: (ref, options) => getVersions(core, ref, options),
    getTags: (ref, options) => getTags(core, ref, options),
    getRawBinary: (table, row, options) => getRawBinary(core, table, row, options),
    getDeployment: (options) => getDeployment(core, options),
    logout() {
      core.http.tokens.end();
      return core.blobs.empty();
    },
    getDataTables: (space, options) => getDataTables(core, space, options),
    getDataTable: (space, name, options) => getDataTable(core, space, name, options),
  };
}
