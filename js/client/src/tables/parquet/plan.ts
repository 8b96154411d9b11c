import type { Core } from '../../client/core.ts';
import type { components } from '../../contract/openapi.ts';
import { answer, ending } from '../../http/api.ts';
import type { CallOptions } from '../../http/http.ts';
import type { TableKey } from '../ask.ts';

/** A Parquet file of a version of a table. */
export type TableFile = Required<components['schemas']['TableFile']>;

/** The files of a version of a table. */
export interface Listing {
  version: number;
  /** As Delta Lake's log has them. */
  columns: unknown[];
  partitions: string[];
  /** Whether the rows are those of the files. */
  direct: boolean;
  files: TableFile[];
}

/**
 * List the files of a version, in the order in which rows without one come.
 *
 * @throws TableNotFoundError there is no such table, or the caller may not see it
 * @throws VersionNotFoundError the table has no such version
 */
export async function listFiles(
  core: Core,
  { space, name }: TableKey,
  options: CallOptions & { version?: number | undefined },
): Promise<Listing> {
  const files: TableFile[] = [];
  let { version } = options;
  let after: string | null = null;
  while (true) {
    const query = {
      ...(version === undefined ? {} : { version }),
      ...(after === null ? {} : { after }),
    };
    const page: components['schemas']['TableFiles'] = await answer(
      core.api.GET('/v1/spaces/{space}/tables/{table}/files', {
        params: { path: { space, table: name }, query },
        ...ending(options),
      }),
    );
    files.push(...(page.items as TableFile[]));
    version = page.version;
    after = page.next ?? null;
    if (after === null) return { ...page, version, files };
  }
}
