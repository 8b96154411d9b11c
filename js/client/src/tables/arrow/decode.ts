import { Column, type ExtractionOptions, Table, tableFromIPC } from '@uwdata/flechette';
import { InternalError } from '../../errors/index.ts';
import type { Message } from './messages.ts';

/** Values as they are: BigInt for 64 bits and decimals, a Map for a map. */
export const EXACT: ExtractionOptions = { useBigInt: true, useDecimalInt: true, useMap: true };

/**
 * The columns of whole messages, the first of which tells the schema.
 *
 * @throws InternalError they are no Arrow, or damaged
 */
export function decoded(parts: readonly Message[]): Table {
  try {
    return tableFromIPC(
      parts.map(({ bytes }) => bytes),
      EXACT,
    );
  } catch (cause) {
    throw new InternalError('The rows that came cannot be read.', { status: 0, cause });
  }
}

/** A table for each batch of rows, as they come; one without rows where there are none. */
export async function* tables(
  stream: AsyncIterable<Message>,
): AsyncGenerator<Table, void, undefined> {
  const known: Message[] = [];
  let rows = false;
  for await (const message of stream) {
    if (message.kind !== 'rows') {
      known.push(message);
      continue;
    }
    rows = true;
    yield decoded([...known, message]);
  }
  if (!rows) yield decoded(known);
}

/** Tables of the same columns as one, of all their batches. */
export function joinedTables(parts: readonly Table[]): Table {
  const [first] = parts;
  if (!first) throw new InternalError('No columns came.', { status: 0 });
  const columns = first.children.map(
    ({ type }, at) =>
      new Column(
        parts.flatMap((part) => [...(part.children[at]?.data ?? [])]),
        type,
      ),
  );
  return new Table(first.schema, columns);
}
