import { type Table, tableToIPC } from '@uwdata/flechette';
import { messages } from './messages.ts';

/** Tables of the same columns as messages of one IPC stream, without its end. */
export async function* encoded(
  tables: AsyncIterable<Table>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let first = true;
  for await (const table of tables) {
    const bytes = tableToIPC(table, { format: 'stream' }) as Uint8Array;
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    });
    for await (const message of messages(stream, { requestId: undefined })) {
      if (first || message.kind !== 'schema') yield message.bytes;
    }
    first = false;
  }
}
