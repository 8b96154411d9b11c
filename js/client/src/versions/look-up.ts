import type { Core } from '../client/core.ts';
import { InvalidReferenceError } from '../errors/index.ts';
import { answer, ending } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';
import { checkName, type Kind, parseReference } from '../layout/name.ts';
import { type Version, versionOf } from './version.ts';

/** An artefact, model or dataset, of which there are versions. */
export interface Named {
  /** `vision/datasets/cats`. */
  ref: string;
  space: string;
  kind: Kind;
  name: string;
}

/** A name that stands for a version until it is set anew. */
export interface Tag {
  tag: string;
  /** The hash of the version. */
  hash: string;
  /** When it was set. */
  at: Date;
  /** Who set it. */
  by: string;
}

/** The names of a kind that the caller may read. */
export async function getNames(
  core: Core,
  space: string,
  kind: Kind,
  options: CallOptions = {},
): Promise<Named[]> {
  const params = { path: { space: checkName(space, 'space'), kind } };
  const { items } = await answer(
    core.api.GET('/v1/spaces/{space}/{kind}', { params, ...ending(options) }),
  );
  return items.map(({ name }) => ({ ref: `${space}/${kind}/${name}`, space, kind, name }));
}

/** The version that a reference stands for: the latest without tag or hash. */
export async function getVersion(
  core: Core,
  ref: string,
  options: CallOptions = {},
): Promise<Version> {
  const params = { path: parseReference(ref) };
  const info = await answer(
    core.api.GET('/v1/spaces/{space}/{kind}/{name}/versions/{selector}', {
      params,
      ...ending(options),
    }),
  );
  return versionOf(core, info);
}

/** Every commit of a name, newest first. */
export async function getVersions(
  core: Core,
  ref: string,
  options: CallOptions = {},
): Promise<Version[]> {
  const params = { path: bare(ref) };
  const { items } = await answer(
    core.api.GET('/v1/spaces/{space}/{kind}/{name}/versions', { params, ...ending(options) }),
  );
  // raises: there is no such name
  if (items.length === 0) await getVersion(core, ref, options);
  return items.map((info) => versionOf(core, info));
}

/** The tags of a name as they stand. */
export async function getTags(core: Core, ref: string, options: CallOptions = {}): Promise<Tag[]> {
  const params = { path: bare(ref) };
  const { items } = await answer(
    core.api.GET('/v1/spaces/{space}/{kind}/{name}/tags', { params, ...ending(options) }),
  );
  return items.map(({ tag, version, at, by }) => ({ tag, hash: version, at: new Date(at), by }));
}

function bare(ref: string): { space: string; kind: Kind; name: string } {
  const { selector: _, ...name } = parseReference(ref);
  if (!ref.includes('@')) return name;
  throw new InvalidReferenceError(`${JSON.stringify(ref)} names one version.`, {
    status: 0,
    hint: 'Leave out what begins with @.',
  });
}
