import { expect, inject, test } from 'vitest';
import type { DataTable, RowQuery } from '../../src/index.ts';
import { reader } from './open.ts';

interface Case {
  table: string;
  query: Record<string, unknown>;
  expected: Record<string, unknown>[];
}

/** Questions that are asked at once. */
const LANES = 4;

const { cases, reader: token } = inject('server').conformance;

for (const source of ['server', 'parquet'] as const) {
  test(`rows of the ${source} are those of DataFusion`, { timeout: 180_000 }, async () => {
    const all = JSON.parse(cases) as Case[];
    expect(all.length).toBeGreaterThan(500);
    // what a browser does otherwise, some of them show
    const left = typeof window === 'undefined' ? all : all.filter((_, at) => at % 7 === 0);
    const tables = new Map<string, Promise<DataTable>>();
    const client = reader({ token });
    const ask = async ({ table, query, expected }: Case): Promise<void> => {
      if (!tables.has(table)) tables.set(table, client.getDataTable('grid', table));
      const of = (await tables.get(table)) as DataTable;
      const { order_by: orderBy, ...rest } = query;
      const rows = await of
        .getRows({ ...rest, orderBy, source } as RowQuery)
        .catch((error: Error) => `${error.stack}`);
      expect.soft(plain(rows), `${source} ${table} ${JSON.stringify(query)}`).toEqual(expected);
    };
    const lane = async (): Promise<void> => {
      for (let next = left.pop(); next; next = left.pop()) await ask(next);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  });
}

/** As the seed writes its answers. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return [...value].map(([key, item]) => [plain(key), plain(item)]);
  if (value instanceof Uint8Array) {
    return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && Object.is(value, -0)) return '-0.0';
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return { NaN: 'nan', Infinity: 'inf', '-Infinity': '-inf' }[String(value)];
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
  }
  return value;
}
