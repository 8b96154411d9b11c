import { expect, inject, test } from 'vitest';
import { connect, failure } from '../connect.ts';

const CATS = 'vision/datasets/cats';
const reason = new Error('not any more');
const options = { signal: AbortSignal.abort(reason) };

test('every call of a client ends by its signal', async () => {
  const client = connect();
  const calls: Record<string, () => Promise<unknown>> = {
    validate: () => client.validate(options),
    getSpaces: () => client.getSpaces(options),
    getSpace: () => client.getSpace('vision', options),
    getArtefacts: () => client.getArtefacts('vision', options),
    getModels: () => client.getModels('vision', options),
    getDatasets: () => client.getDatasets('vision', options),
    getVersion: () => client.getVersion(CATS, options),
    getVersions: () => client.getVersions(CATS, options),
    getTags: () => client.getTags(CATS, options),
    getRawBinary: () => client.getRawBinary('vision/tables/scans', 812, options),
    getDataTables: () => client.getDataTables('plots', options),
    getDataTable: () => client.getDataTable('plots', 'types', options),
    getDeployment: () =>
      client.getDeployment({ url: `${inject('server').faults}/deployment.json`, ...options }),
  };
  for (const call of Object.values(calls)) expect(await failure(call())).toBe(reason);
  const others = Object.keys(client).filter((name) => !(name in calls));
  expect(others.sort()).toEqual(['baseUrl', 'logout']);
});

test('every call of a version and of a file ends by its signal, also where it is kept', async () => {
  const version = await connect().getVersion(CATS);
  const file = await version.openFile('readme.txt');
  await file.bytes();
  const calls: Promise<unknown>[] = [
    version.files(options),
    version.openFile('info.json', options),
    version.getLineage(options),
    (async () => {
      for await (const _ of version.iterFiles(options)) throw new Error('a file');
    })(),
    file.bytes(options),
    file.blob(options),
    file.text(options),
    file.json(options),
    file.slice(0, 1, options),
    file.slice(1, 1, options),
    file.stream(options),
    file.objectUrl(options),
  ];
  for (const call of calls) expect(await failure(call)).toBe(reason);
});
