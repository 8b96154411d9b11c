import type { Core } from '../client/core.ts';
import type { components } from '../contract/openapi.ts';
import { InternalError } from '../errors/index.ts';
import { answer } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';

type Page = components['schemas']['FolderPage'];

/** Entries of a page: what the server gives at once. */
const MOST = 10_000;

/** What stands below a folder, in the folders in it too, page by page. */
export async function* pagesOf(
  core: Core,
  address: string,
  { signal, timeout }: CallOptions,
  limit: number = MOST,
): AsyncGenerator<Page['entries']> {
  let after: string | null | undefined = '';
  while (typeof after === 'string') {
    const query = new URLSearchParams({ recursive: 'true', limit: String(limit), after });
    const response = await core.http.send({ path: `${address}/?${query}`, signal, timeout });
    const page: Page = await answer(response.json().then((data: Page) => ({ data, response })));
    if (!Array.isArray(page.entries) || page.next === after) {
      throw new InternalError('The server answered with something else than a list.', {
        status: 0,
      });
    }
    yield page.entries;
    after = page.next;
  }
}
