import { InvalidPathError } from '../errors/index.ts';

/** What names a row that has binaries: an integer, or a text. */
export type RowIndex = number | bigint | string;

/**
 * A row's index as one segment of an address: other bytes of its UTF-8 than letters, digits, `.`,
 * `_` and `-`, and a first letter that is `.` or `_`, are written `~xx`.
 *
 * @throws InvalidPathError it is empty, too long, or no whole number that is exact
 */
export function rowSegment(row: RowIndex): string {
  const exact = typeof row !== 'number' || Number.isSafeInteger(row);
  let segment = '';
  for (const byte of new TextEncoder().encode(String(row))) {
    const letter = String.fromCharCode(byte);
    const plain = segment === '' ? /[A-Za-z0-9-]/ : /[A-Za-z0-9._-]/;
    segment += plain.test(letter) ? letter : `~${byte.toString(16).padStart(2, '0')}`;
  }
  if (exact && segment !== '' && segment.length <= 250) return segment;
  throw new InvalidPathError(`${String(row).slice(0, 80)} cannot be the index of a row.`, {
    status: 0,
    hint: 'Use a whole number (a bigint beyond 2^53) or a text of up to 250 letters.',
  });
}
