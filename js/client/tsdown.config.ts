import { defineConfig, type UserConfig } from 'tsdown';

const common: UserConfig = {
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  fixedExtension: false,
  logLevel: 'warn',
  clean: false, // one build must not clear what the other has just written
};

// a worker is a file of its own, beside what starts it
const entry = { index: 'src/index.ts', worker: 'src/tables/parquet/decode/worker.ts' };

const config: UserConfig[] = defineConfig([
  // for bundlers and Node: dependencies stay imports
  { ...common, entry, dts: false, sourcemap: true },
  // the types of what is imported, and of nothing that lies behind it
  { ...common, entry: { index: 'src/index.ts' }, dts: { emitDtsOnly: true } },
  // for a page without a bundler: what the client needs lies beside it
  {
    ...common,
    entry,
    outDir: 'dist/standalone',
    platform: 'browser',
    dts: false,
    minify: true,
    deps: { alwaysBundle: /./ },
  },
]);
export default config;
