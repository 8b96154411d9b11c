import { expect, test } from 'vitest';
import {
  FileMissingError,
  InvalidPathError,
  InvalidReferenceError,
  TableNotFoundError,
} from '../../src/index.ts';
import { connect, failure } from '../connect.ts';

const SCANS = 'vision/tables/scans';

test('reads the binaries of a row', async () => {
  for (const row of [812, 812n, '812']) {
    const [scan, slice, ...more] = await connect().getRawBinary(SCANS, row);
    expect(more).toEqual([]);
    expect(scan).toMatchObject({ path: 'scan.dcm', size: 4, sha256: undefined });
    expect(await scan?.text()).toBe('DICM');
    expect(slice?.path).toBe('slices/猫 1.bin');
    expect(await slice?.slice(16, 20)).toEqual(Uint8Array.of(16, 17, 18, 19));
    expect((await slice?.blob())?.size).toBe(256);
  }
});

test('of a row whose index is a text, and of a table as it was returned', async () => {
  const table = { space: 'vision', name: 'scans' };
  const [scan] = await connect().getRawBinary(table, 'Zürich/3');
  expect(await scan?.text()).toBe('DICM');
});

test('a row without, a table that is not there, an index that is none', async () => {
  const client = connect();
  expect(await failure(client.getRawBinary(SCANS, 1))).toBeInstanceOf(FileMissingError);
  expect(await failure(client.getRawBinary('secret/tables/none', 1))).toBeInstanceOf(
    TableNotFoundError,
  );
  for (const row of [1.5, Number.NaN, 2 ** 53, '', 'x'.repeat(251)]) {
    expect(await failure(client.getRawBinary(SCANS, row))).toBeInstanceOf(InvalidPathError);
  }
  for (const table of ['scans', 'vision/datasets/cats', 'vision/tables/scans/x']) {
    expect(await failure(client.getRawBinary(table, 1))).toBeInstanceOf(InvalidReferenceError);
  }
});
