import type { Vector } from '../decode/vector.ts';

/** Some rows, in columns. */
export interface Chunk {
  rows: number;
  columns: Vector[];
}
