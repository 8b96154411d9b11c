import type { Core } from '../client/core.ts';
import type { StoredFile } from '../files/file.ts';
import { RemoteFile } from '../files/remote.ts';
import { quoted } from '../http/address.ts';
import { answer, ending } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';
import { checkPath } from '../layout/name.ts';
import { type RowIndex, rowSegment } from '../layout/row.ts';
import { parseTable, type TableLike } from '../layout/table.ts';

/**
 * The binaries that lie beside a row of a table, in the order of storage; nothing is read yet.
 *
 * They may be replaced, so their digest comes with their bytes.
 */
export async function getRawBinary(
  core: Core,
  table: TableLike,
  row: RowIndex,
  options: CallOptions = {},
): Promise<StoredFile[]> {
  const { space, name } = parseTable(table);
  const folder = quoted('files', space, 'raw_binary', name, rowSegment(row));
  const found: StoredFile[] = [];
  let after: string | null | undefined;
  do {
    const query = { row: String(row), ...(after ? { after } : {}) };
    const page = await answer(
      core.api.GET('/v1/spaces/{space}/tables/{table}/raw_binaries/files', {
        params: { path: { space, table: name }, query },
        ...ending(options),
      }),
    );
    for (const { name: path, size, media_type: mediaType } of page.items) {
      const address = folder + quoted(...checkPath(path).split('/'));
      found.push(new RemoteFile(core, { path, size, mediaType, address }));
    }
    after = page.next;
  } while (after);
  return found;
}
