import type { Core } from '../client/core.ts';
import type { components } from '../contract/openapi.ts';
import { answer, ending } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';
import { checkName } from '../layout/name.ts';

/** The unit of ownership: it holds artefacts, models, datasets and tables. */
export interface Space {
  key: string;
  description: string;
  createdAt: Date | undefined;
  createdBy: string | undefined;
  /** Whether everybody reads it, without a token too. */
  public: boolean;
}

/** The spaces that the caller sees. */
export async function getSpaces(core: Core, options: CallOptions = {}): Promise<Space[]> {
  const { items } = await answer(core.api.GET('/v1/spaces', ending(options)));
  return items.map(read);
}

/**
 * One space.
 *
 * @throws SpaceNotFoundError there is none of that key, or the caller may not see it
 */
export async function getSpace(core: Core, key: string, options: CallOptions = {}): Promise<Space> {
  const params = { path: { space: checkName(key, 'space') } };
  return read(await answer(core.api.GET('/v1/spaces/{space}', { params, ...ending(options) })));
}

function read(space: components['schemas']['Space']): Space {
  return {
    key: space.key,
    description: space.description ?? '',
    createdAt: space.created_at ? new Date(space.created_at) : undefined,
    createdBy: space.created_by ?? undefined,
    public: space.public ?? false,
  };
}
