import { afterEach, expect, test, vi } from 'vitest';
import { open } from './open.ts';

afterEach(() => vi.unstubAllGlobals());

test('columns are read in workers', async () => {
  const made: Worker[] = [];
  const answers: unknown[] = [];
  const Real = Worker;
  vi.stubGlobal(
    'Worker',
    class extends Real {
      constructor(address: URL, options: WorkerOptions) {
        super(address, options);
        made.push(this);
        this.addEventListener('message', ({ data }) => answers.push(data));
      }
    },
  );
  const table = await open('numbers');
  const found = await table.getArrow({ source: 'parquet' });
  expect(found.numRows).toBe(20_000);
  expect(found.getChild('label')?.at(19_999)).toBe('l0');
  expect(made.length).toBeGreaterThan(0);
  expect(answers.length).toBe(2);
});
