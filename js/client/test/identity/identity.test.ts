import { expect, test } from 'vitest';
import { NetworkError, UnauthenticatedError } from '../../src/index.ts';
import { connect, failure } from '../connect.ts';

test('says who the caller is', async () => {
  const identity = await connect().validate();
  expect(identity).toMatchObject({ principal: 'user:alice', groups: [], scopes: [] });
  expect(identity.serverVersion).toMatch(/^\d/);
});

test('a caller who is not known, and a server that is not there', async () => {
  const stranger = connect({ token: `ks_${'x'.repeat(43)}` });
  expect(await failure(stranger.validate())).toBeInstanceOf(UnauthenticatedError);
  const nowhere = connect({ baseUrl: 'http://127.0.0.1:9' });
  expect(await failure(nowhere.validate())).toBeInstanceOf(NetworkError);
});
