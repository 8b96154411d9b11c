import type { Core } from '../client/core.ts';
import type { components } from '../contract/openapi.ts';
import type { StoredFile } from '../files/file.ts';
import { lookUp } from '../files/head.ts';
import { pagesOf } from '../files/list.ts';
import { RemoteFile } from '../files/remote.ts';
import { quoted } from '../http/address.ts';
import { answer, ending } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';
import { checkPath, type Kind } from '../layout/name.ts';

/** Which files of a version to list. */
export interface FilesOptions extends CallOptions {
  /** Those below this folder: `train/masks`. */
  below?: string | undefined;
}

/** What a version was made from, and what was made from it: references. */
export interface Lineage {
  ref: string;
  madeFrom: string[];
  madeInto: string[];
}

/** One commit of an artefact, model or dataset: it never changes. */
export interface Version {
  /** `vision/datasets/cats@<hash>`. */
  readonly ref: string;
  readonly space: string;
  readonly kind: Kind;
  readonly name: string;
  /** SHA-256 of what it holds. */
  readonly hash: string;
  /** When it was committed. */
  readonly at: Date;
  /** Who committed it: `user:alice`. */
  readonly by: string;
  readonly message: string;
  /** Hashes of the versions that it follows. */
  readonly parents: readonly string[];
  /** References of what it was made from. */
  readonly lineage: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The tags that stood for it when it was looked up. */
  readonly tags: readonly string[];
  /** Whether it was the latest when it was looked up. */
  readonly latest: boolean;
  /** How many files it has. */
  readonly fileCount: number;
  /** Of all files together, in bytes. */
  readonly size: number;
  /** Its files, by path. */
  files(options?: FilesOptions): Promise<StoredFile[]>;
  /** Its files, by path, a page at a time: of versions with very many. */
  iterFiles(options?: FilesOptions): AsyncIterable<StoredFile>;
  /**
   * A file by its path; its role only a listing tells.
   *
   * @throws FileMissingError the version has no such file
   */
  openFile(path: string, options?: CallOptions): Promise<StoredFile>;
  /** What it was made from, and what was made from it since, as far as the caller may see it. */
  getLineage(options?: CallOptions): Promise<Lineage>;
}

/** A version as the server tells of it. */
export function versionOf(core: Core, info: components['schemas']['VersionInfo']): Version {
  const { space, kind, name, version: hash } = info;
  const address = `/files${quoted(space, kind, name, hash)}`;
  const iterFiles = (options?: FilesOptions): AsyncIterable<StoredFile> =>
    filesOf(core, address, options ?? {});
  return {
    ref: `${space}/${kind}/${name}@${hash}`,
    space,
    kind: kind as Kind,
    name,
    hash,
    at: new Date(info.at),
    by: info.by,
    message: info.message,
    parents: info.parents,
    lineage: info.lineage,
    metadata: info.metadata,
    tags: info.tags ?? [],
    latest: info.latest ?? false,
    fileCount: info.files,
    size: info.bytes,
    iterFiles,
    async files(options) {
      const found: StoredFile[] = [];
      for await (const file of iterFiles(options)) found.push(file);
      return found;
    },
    async openFile(path, options = {}) {
      const its = address + quoted(...checkPath(path).split('/'));
      return lookUp(core, path, its, options);
    },
    async getLineage(options = {}) {
      const params = { path: { space, kind: kind as Kind, name, selector: hash } };
      const { ref, made_from, made_into } = await answer(
        core.api.GET('/v1/spaces/{space}/{kind}/{name}/versions/{selector}/lineage', {
          params,
          ...ending(options),
        }),
      );
      return { ref, madeFrom: made_from, madeInto: made_into };
    },
  };
}

async function* filesOf(
  core: Core,
  address: string,
  { below, ...options }: FilesOptions,
): AsyncGenerator<StoredFile> {
  const prefix = below ? `${checkPath(below.replace(/\/$/, ''))}/` : '';
  const folder = address + quoted(...prefix.split('/').slice(0, -1));
  for await (const entries of pagesOf(core, folder, options)) {
    for (const { name, size, sha256, media_type, role, overlay_of } of entries) {
      if (typeof size !== 'number' || !sha256) continue; // a folder
      const path = prefix + name;
      yield new RemoteFile(core, {
        path,
        size,
        sha256,
        mediaType: media_type ?? 'application/octet-stream',
        role: role ?? undefined,
        overlayOf: overlay_of ?? undefined,
        address: address + quoted(...path.split('/')),
      });
    }
  }
}
