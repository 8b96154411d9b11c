import { afterEach, expect, inject, test } from 'vitest';
import {
  ConfigurationError,
  InternalError,
  NotFoundError,
  VersionNotFoundError,
} from '../../src/index.ts';
import { connect, failure } from '../connect.ts';

const { faults, address, versions } = inject('server');
const url = `${faults}/deployment.json`;
const inPage = typeof document !== 'undefined';

afterEach(() => {
  if (inPage) document.querySelector('link[rel=deployment]')?.remove();
});

test('says what is shown, and reads what is pinned', async () => {
  const deployment = await connect().getDeployment({ url });
  expect(deployment).toMatchObject({ deployment: 'site/prod', app: 'site/artefacts/kd-front' });
  expect(deployment.data).toEqual({ 'vision/datasets/cats': versions.first });
  const version = await deployment.getVersion('vision/datasets/cats');
  expect(version.hash).toBe(versions.first);
  expect(await (await version.openFile('readme.txt')).text()).toBe('one cat\n');
});

test('what is not pinned', async () => {
  const deployment = await connect().getDeployment({ url });
  for (const name of ['vision/models/net', 'constructor', '__proto__']) {
    expect(await failure(deployment.getVersion(name))).toBeInstanceOf(VersionNotFoundError);
  }
});

test.runIf(inPage)('is found by the link of the page', async () => {
  const link = document.head.appendChild(document.createElement('link'));
  link.rel = 'deployment';
  link.href = url;
  expect((await connect().getDeployment()).deployment).toBe('site/prod');
});

test.runIf(!inPage)('has to be named where there is no page', async () => {
  expect(await failure(connect().getDeployment())).toBeInstanceOf(ConfigurationError);
});

test('what says nothing of a deployment', async () => {
  const call = connect().getDeployment({ url: `${address}/v1/server` });
  expect(await failure(call)).toBeInstanceOf(InternalError);
  const none = connect().getDeployment({ url: `${address}/v1/spaces/vision/datasets/x/tags` });
  expect(await failure(none)).not.toBeInstanceOf(NotFoundError); // it asks without a token
});
