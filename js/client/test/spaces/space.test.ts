import { expect, test } from 'vitest';
import { SpaceNotFoundError } from '../../src/index.ts';
import { connect } from '../connect.ts';

test('lists the spaces that the caller sees', async () => {
  const spaces = await connect().getSpaces();
  expect(spaces.map(({ key }) => key)).not.toContain('secret');
  const vision = spaces.find(({ key }) => key === 'vision');
  expect(vision?.description).toBe('Pictures');
  expect(vision?.createdAt).toBeInstanceOf(Date);
});

test('a space that one may not see looks as one that is not there', async () => {
  for (const key of ['secret', 'nowhere']) {
    const failure = await connect()
      .getSpace(key)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SpaceNotFoundError);
    expect(failure).toMatchObject({
      code: 'space_not_found',
      status: 404,
      name: 'SpaceNotFoundError',
    });
    expect((failure as SpaceNotFoundError).requestId).toMatch(/^[0-9a-f-]+$/);
  }
});
