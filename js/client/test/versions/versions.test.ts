import { describe, expect, inject, test } from 'vitest';
import { createCore } from '../../src/client/core.ts';
import { pagesOf } from '../../src/files/list.ts';
import {
  FileMissingError,
  InvalidPathError,
  InvalidReferenceError,
  SpaceNotFoundError,
  VersionNotFoundError,
} from '../../src/index.ts';
import { connect, failure } from '../connect.ts';

const { versions } = inject('server');
const CATS = 'vision/datasets/cats';

test('lists the names of each kind', async () => {
  const client = connect();
  expect(await client.getModels('vision')).toEqual([
    { ref: 'vision/models/net', space: 'vision', kind: 'models', name: 'net' },
  ]);
  const names = (await client.getDatasets('vision')).map(({ name }) => name);
  expect(names).toEqual(['cats', 'many']);
  expect((await client.getArtefacts('vision')).map(({ ref }) => ref)).toEqual([
    'vision/artefacts/scan',
  ]);
  expect(await failure(client.getModels('secret'))).toBeInstanceOf(SpaceNotFoundError);
});

describe('a version', () => {
  test('is found by each of its references', async () => {
    for (const ref of [
      CATS,
      `${CATS}@latest`,
      `${CATS}@prod`,
      `${CATS}@${versions.second}`,
      `${CATS}@${versions.second.slice(0, 12)}`,
      `ks://${CATS}@prod`,
    ]) {
      expect((await connect().getVersion(ref)).hash).toBe(versions.second);
    }
  });

  test('says what it is', async () => {
    const version = await connect().getVersion(`${CATS}@prod`);
    expect(version).toMatchObject({
      ref: `${CATS}@${versions.second}`,
      space: 'vision',
      kind: 'datasets',
      name: 'cats',
      message: 'more cats',
      metadata: { license: 'CC0', classes: 2 },
      lineage: [`vision/models/net@${versions.model}`],
      parents: [versions.first],
      tags: ['prod'],
      latest: true,
      fileCount: 7,
    });
    expect(version.by).toMatch(/^user:/);
    expect(Math.abs(version.at.getTime() - Date.now())).toBeLessThan(3_600_000);
  });

  test('knows what it was made from and into', async () => {
    const client = connect();
    const made = await (await client.getVersion('vision/models/net')).getLineage();
    expect(made).toMatchObject({ madeFrom: [], madeInto: [`${CATS}@${versions.second}`] });
    const lineage = await (await client.getVersion(CATS)).getLineage();
    expect(lineage.madeFrom).toEqual([`vision/models/net@${versions.model}`]);
  });

  test('that is not there, or may not be seen, is named alike', async () => {
    for (const ref of [`${CATS}@nothing`, 'vision/datasets/dogs', 'vision/models/cats']) {
      expect(await failure(connect().getVersion(ref))).toBeInstanceOf(VersionNotFoundError);
    }
    const unseen = await failure(connect().getVersion('secret/datasets/plans'));
    const absent = await failure(connect().getVersion('nowhere/datasets/plans'));
    expect((unseen as Error).constructor).toBe((absent as Error).constructor);
  });

  test('whose reference cannot be read', async () => {
    for (const ref of [
      'cats',
      'vision/cats',
      'vision/tables/runs',
      `${CATS}@a@b`,
      `${CATS}@`,
      `${CATS}/x`,
    ]) {
      expect(await failure(connect().getVersion(ref))).toBeInstanceOf(InvalidReferenceError);
    }
    expect(await failure(connect().getVersions(`${CATS}@prod`))).toBeInstanceOf(
      InvalidReferenceError,
    );
  });
});

test('lists all versions, newest first, and tags', async () => {
  const found = await connect().getVersions(CATS);
  expect(found.map(({ hash }) => hash)).toEqual([versions.second, versions.first]);
  expect(await failure(connect().getVersions('vision/datasets/dogs'))).toBeInstanceOf(
    VersionNotFoundError,
  );
  const [tag] = await connect().getTags(CATS);
  expect(tag).toMatchObject({ tag: 'prod', hash: versions.second });
  expect(tag?.at).toBeInstanceOf(Date);
});

describe('the files of a version', () => {
  const PATHS = [
    'Zürich/猫 #1?.txt',
    'empty.bin',
    'info.json',
    'large.bin',
    'readme.txt',
    'train/0001.bin',
    'train/masks/0001.bin',
  ];

  test('are listed by path', async () => {
    const files = await (await connect().getVersion(CATS)).files();
    expect(files.map(({ path }) => path)).toEqual(PATHS);
    expect(files[3]).toMatchObject({ size: 4 << 20, mediaType: 'application/octet-stream' });
    expect(files[4]?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(files[4]?.mediaType).toMatch(/^text\/plain/);
  });

  test('below a folder', async () => {
    const version = await connect().getVersion(CATS);
    for (const below of ['train', 'train/']) {
      const files = await version.files({ below });
      expect(files.map(({ path }) => path)).toEqual(PATHS.slice(5));
      expect(await files[1]?.bytes()).toEqual(new Uint8Array(64));
    }
    expect(await failure(version.files({ below: 'nothing' }))).toBeInstanceOf(FileMissingError);
  });

  test('tell what they are to a viewer', async () => {
    const [image, mask] = await (await connect().getVersion('vision/artefacts/scan')).files();
    expect([image?.role, image?.overlayOf]).toEqual(['image', undefined]);
    expect([mask?.role, mask?.overlayOf]).toEqual(['overlay', 'dot.png']);
  });

  test('page by page', async () => {
    const { address, versions } = inject('server');
    const core = createCore({ baseUrl: address, token: versions.readers.alice });
    const { space, kind, name, hash } = await connect().getVersion('vision/datasets/many');
    const pages = [];
    const listed = pagesOf(core, `/files/${space}/${kind}/${name}/${hash}`, {}, 500);
    for await (const page of listed) pages.push(page);
    expect(pages.map(({ length }) => length)).toEqual([500, 500, 203]);
    expect(new Set(pages.flat().map((entry) => entry.name)).size).toBe(1203);
  });

  test('by the thousand', async () => {
    const version = await connect().getVersion('vision/datasets/many');
    const files = await version.files();
    expect(files).toHaveLength(1203);
    expect(files.at(-1)?.path).toBe('f1202.txt');
    let seen = 0;
    for await (const _ of version.iterFiles()) if (++seen === 5) break;
    expect(seen).toBe(5);
  });

  test('are opened by path', async () => {
    const version = await connect().getVersion(CATS);
    const file = await version.openFile('Zürich/猫 #1?.txt');
    expect(await file.text()).toBe('miau 猫');
    expect(file.url).toContain('/Z%C3%BCrich/%E7%8C%AB%20%231%3F.txt');
    const listed = (await version.files()).find(({ path }) => path === file.path);
    expect({ ...file }).toEqual({ ...listed });
  });

  test('that are not there, or whose path leads elsewhere', async () => {
    const version = await connect().getVersion(CATS);
    const missing = await failure(version.openFile('train/0002.bin'));
    expect(missing).toBeInstanceOf(FileMissingError);
    expect(await failure(version.openFile('train'))).toBeInstanceOf(FileMissingError);
    for (const path of ['', '/readme.txt', 'a/../readme.txt', './readme.txt', 'train/', '\ud800']) {
      expect(await failure(version.openFile(path))).toBeInstanceOf(InvalidPathError);
    }
  });
});
