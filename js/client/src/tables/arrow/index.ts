// What is loaded when rows are first asked for: the decoders of Arrow and zstd.
export { rowsOf } from '../rows/rows.ts';
export { decoded, joinedTables, tables } from './decode.ts';
export { messages } from './messages.ts';
