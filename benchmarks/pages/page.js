// What the page does: each question once, on a connection of its own.
import { createClient } from '@klarity/storage';
import { tableFromIPC } from '@uwdata/flechette';
import init, { ParquetFile } from 'parquet-wasm/esm/parquet_wasm.js';

/** Questions of the table by ways of reading it. */
const QUESTIONS = {
  first: { limit: 50 },
  key: { filter: { op: 'between', column: 'id', low: 2_500_000, high: 2_500_099 } },
  columns: { columns: ['id', 'score'] },
};

globalThis.ask = async ({ address, token, question, source }) => {
  const client = createClient({ baseUrl: address, token, cache: 'none' });
  const table = await client.getDataTable('bench', 'pages');
  const begun = performance.now();
  const found = await table.getArrow({ ...QUESTIONS[question], source });
  return { ms: performance.now() - begun, rows: found.numRows };
};

globalThis.askWasm = async ({ address, token, question }) => {
  await init('/parquet_wasm_bg.wasm');
  const client = createClient({ baseUrl: address, token, cache: 'none' });
  const table = await client.getDataTable('bench', 'pages');
  const begun = performance.now();
  const { columns } = QUESTIONS[question];
  let rows = 0;
  for (const { url } of await table.getParquetFiles()) {
    const file = await ParquetFile.fromUrl(url);
    const read = await file.read({ columns, batchSize: 131_072 });
    rows += tableFromIPC(read.intoIPCStream(), { useBigInt: true }).numRows;
  }
  return { ms: performance.now() - begun, rows };
};
