import { tableFromIPC } from '@uwdata/flechette';
import { expect, test } from 'vitest';
import {
  InvalidNameError,
  InvalidQueryError,
  SpaceNotFoundError,
  TableNotFoundError,
  VersionNotFoundError,
} from '../../src/index.ts';
import { failure, open, reader } from './open.ts';

test('tables are listed, and described', async () => {
  const client = reader();
  const names = (await client.getDataTables('plots')).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['empty', 'numbers', 'types', 'wide']));
  const table = await client.getDataTable('plots', 'numbers');
  expect(table).toMatchObject({ space: 'plots', name: 'numbers', rows: 20_000, version: 0 });
  expect(table.updatedAt).toBeInstanceOf(Date);
  expect((await table.getSchema()).map(({ name, type }) => `${name}: ${type}`)).toEqual([
    'n: long',
    'label: string',
  ]);
  expect(await failure(table.getSchema({ version: 7 }))).toBeInstanceOf(VersionNotFoundError);
});

test('what is not there is named', async () => {
  const client = reader();
  expect(await failure(client.getDataTable('plots', 'nothing'))).toBeInstanceOf(TableNotFoundError);
  expect(await failure(client.getDataTables('secret'))).toBeInstanceOf(SpaceNotFoundError);
  expect(await failure(client.getDataTable('plots', '../types'))).toBeInstanceOf(InvalidNameError);
});

test('rows come in the form that is asked for', async () => {
  const table = await open('types');
  const rows = await table.getRows({ orderBy: ['row'], limit: 2 });
  expect(rows).toEqual([
    {
      row: 0,
      id: 1,
      tiny: 1,
      short: 1,
      f: 0.1,
      f32: Math.fround(0.1),
      'a "text"': "it's",
      yes: true,
      price: '1.10',
      huge: '12345678901234567890123456789.123456789',
      day: '2024-01-01',
      at: '1970-01-01T00:00:00Z',
      local: '1970-01-01T00:00:00',
      bytes: new Uint8Array([0, 255]),
      parts: [1],
      box: { x: 1, label: 'a' },
      tags: new Map([['a', 1]]),
      deep: [{ p: [1, null] }, null],
    },
    {
      row: 1,
      id: 2n ** 53n + 1n,
      tiny: -128,
      short: -32768,
      f: Number.NaN,
      f32: Number.NaN,
      'a "text"': 'a%b_c',
      yes: false,
      price: '-99999999.99',
      huge: '-1.000000000',
      day: null,
      at: null,
      local: null,
      bytes: new Uint8Array(),
      parts: null,
      box: null,
      tags: null,
      deep: null,
    },
  ]);
  const [asked] = await table.getRows({
    columns: ['at', 'id', 'price'],
    filter: { op: '=', column: 'row', value: 4 },
    int64: 'bigint',
    decimal: 'number',
    timestamp: 'date',
  });
  expect(asked).toEqual({ at: new Date('2024-01-01T00:00:00.123Z'), id: 2n ** 63n - 1n, price: 5 });
  const exact = await table.getRows({ columns: ['at', 'local', 'day'], orderBy: ['row'] });
  expect(exact.map(({ at, local }) => `${at} ${local}`)).toEqual([
    '1970-01-01T00:00:00Z 1970-01-01T00:00:00',
    'null null',
    '9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999',
    '0001-01-01T00:00:00Z 0001-01-01T00:00:00',
    '2024-01-01T00:00:00.123456Z 2024-01-01T00:00:00.123456',
    '1969-12-31T23:59:59.999999Z 1969-12-31T23:59:59.999999',
  ]);
});

test('rows are filtered, ordered and cut', async () => {
  const table = await open('numbers');
  const page = await table.getRows({
    columns: ['n'],
    filter: {
      op: 'and',
      conditions: [
        { op: 'in', column: 'label', values: ['l1', 'l2'] },
        { op: 'not', condition: { op: '<', column: 'n', value: 100n } },
      ],
    },
    orderBy: [{ column: 'n', descending: true }],
    limit: 3,
    offset: 1,
  });
  expect(page).toEqual([{ n: 19_993 }, { n: 19_987 }, { n: 19_986 }]);
  expect(await table.count()).toBe(20_000);
  expect(await table.count({ filter: { op: '<', column: 'n', value: 70 } })).toBe(70);
  let sum = 0;
  for await (const { n } of table.iterRows<{ n: number }>({ columns: ['n'] })) sum += n;
  expect(sum).toBe((20_000 * 19_999) / 2);
});

test('rows come as Arrow, whole and as a stream', async () => {
  const table = await open('numbers');
  const arrow = await table.getArrow({ columns: ['n'] });
  expect(arrow.numRows).toBe(20_000);
  expect(arrow.getChild('n')?.at(19_999)).toBe(19_999n);
  const bytes = await new Response(table.getArrowStream({ columns: ['label'] })).bytes();
  expect(tableFromIPC(bytes).getChild('label')?.at(8)).toBe('l1');
});

test('a table without rows, and one of 10,000 columns', async () => {
  const empty = await open('empty');
  expect(await empty.getRows()).toEqual([]);
  expect(await empty.count()).toBe(0);
  expect((await empty.getArrow()).numCols).toBe(18);
  const wide = await open('wide');
  const rows = await wide.getRows();
  expect(rows.map((row) => Object.keys(row).length)).toEqual([10_000, 10_000]);
  expect(rows.map(({ c9999 }) => c9999)).toEqual([9999, null]);
});

test('a filter that cannot be is refused, with the names near it', async () => {
  const table = await open('types');
  const wrong = async (filter: unknown): Promise<unknown> =>
    await failure(table.getRows({ filter: filter as never }));
  const near = await wrong({ op: '=', column: 'prise', value: 1 });
  expect(near).toBeInstanceOf(InvalidQueryError);
  expect((near as Error).message).toContain("'price'");
  for (const filter of [
    { op: '=', column: 'id', value: 'one' },
    { op: '=', column: 'yes', value: 1 },
    { op: '~', column: 'id', value: 1 },
    { op: '=', column: 'id', value: {} },
    { op: '=', column: 'id', value: 2 ** 53 + 2 },
    { op: 'and', conditions: 'all' },
    null,
    7,
  ]) {
    expect(await wrong(filter), JSON.stringify(filter)).toBeInstanceOf(InvalidQueryError);
  }
  const large = [{ op: '<', column: 'f', value: 1e300 }];
  expect(await table.count({ filter: { op: 'and', conditions: large as never } })).toBe(3);
  for (const query of [{ limit: -1 }, { columns: [] }, { orderBy: ['nope'] }, { offset: 0.5 }]) {
    expect(await failure(table.getRows(query)), JSON.stringify(query)).toBeInstanceOf(
      InvalidQueryError,
    );
  }
});
