import type { Core } from '../../client/core.ts';
import { answer, ending } from '../../http/api.ts';
import type { CallOptions } from '../../http/http.ts';
import type { TableKey } from '../ask.ts';
import { refused, unsafeNumbers, type WireQuery } from './wire.ts';

/**
 * Refuse numbers that JavaScript has rounded, for columns of whole numbers and decimals.
 *
 * @throws InvalidQueryError there is one
 */
export async function checkNumbers(
  core: Core,
  { space, name }: TableKey,
  { filter }: WireQuery,
  options: CallOptions,
): Promise<void> {
  const unsafe = filter ? [...unsafeNumbers(filter)] : [];
  if (unsafe.length === 0) return;
  const params = { path: { space, table: name } };
  const asked = core.api.GET('/v1/spaces/{space}/tables/{table}', { params, ...ending(options) });
  const { columns } = await answer(asked);
  for (const { column, value } of unsafe) {
    const type = columns.find((one) => one.name === column)?.type ?? '';
    if (!/^(byte|short|integer|long|decimal)/.test(type)) continue;
    throw refused(
      `The number ${value} for the column '${column}' is beyond 2^53: JavaScript has rounded it.`,
      `Write it as a bigint: ${BigInt(value)}n.`,
    );
  }
}
