import type { Type } from '../schema.ts';
import { assembled } from './assemble.ts';
import { type LeafPages, readLeaf } from './leaf.ts';
import { Corrupt } from './levels.ts';
import type { Node } from './node.ts';
import type { Vector } from './vector.ts';

/** A column of some rows of a file, to be read: what a worker is given. */
export interface ColumnTask {
  type: Type;
  node: Node;
  leaves: (Omit<LeafPages, 'type'> & { leaf: number; type: Type })[];
  rows: number;
}

/** Read it. */
export function readColumn({ type, node, leaves, rows }: ColumnTask): Vector {
  const read: Parameters<typeof assembled>[2] = [];
  for (const pages of leaves) read[pages.leaf] = readLeaf(pages);
  const vector = assembled(type, node, read);
  if (vector.length !== rows)
    throw new Corrupt(`${vector.length} rows where ${rows} were asked for`);
  return vector;
}
