import { expect, test } from 'vitest';
import { open } from './open.ts';

const LIMIT = 300 * 2 ** 20;
const ROWS = 5_000_000;

for (const source of ['server', 'parquet'] as const) {
  test(`five million rows of the ${source} take little memory`, { timeout: 180_000 }, async () => {
    const table = await open('five');
    let most = 0;
    const look = (): void => {
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      most = Math.max(most, heapUsed + arrayBuffers);
    };
    let rows = 0;
    let sum = 0;
    for await (const { n } of table.iterRows<{ n: number }>({ source })) {
      sum += n;
      if (++rows % 20_000 === 0) look();
    }
    expect(rows).toBe(ROWS);
    expect(sum).toBe((ROWS * (ROWS - 1)) / 2);
    let bytes = 0;
    for await (const piece of table.getArrowStream({ source })) {
      bytes += piece.byteLength;
      look();
    }
    expect(bytes).toBeGreaterThan(ROWS);
    console.info(`${source}: ${Math.round(most / 2 ** 20)} MiB`);
    expect(most).toBeLessThan(LIMIT);
  });
}
