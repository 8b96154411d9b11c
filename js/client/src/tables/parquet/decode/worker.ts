import { readColumn } from './column.ts';
import { Unreadable } from './convert.ts';
import type { Delivery, Order } from './pool.ts';
import type { Vector } from './vector.ts';

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage: (delivery: Delivery, transfer: Transferable[]) => void;
};

scope.onmessage = ({ data: { id, task } }) => {
  try {
    const vector = readColumn(task);
    scope.postMessage({ id, vector }, [...new Set(buffers(vector))]);
  } catch (error) {
    const told = error instanceof Error ? error.message : String(error);
    scope.postMessage({ id, error: told, unreadable: error instanceof Unreadable }, []);
  }
};

function buffers({ validity, values, offsets, children = [] }: Vector): ArrayBuffer[] {
  const own = [validity, values, offsets].flatMap((array) =>
    array && array.byteLength > 0 ? [array.buffer as ArrayBuffer] : [],
  );
  return [...own, ...children.flatMap(buffers)];
}
