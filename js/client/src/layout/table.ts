import { InvalidReferenceError } from '../errors/index.ts';
import { checkName } from './name.ts';

/** Which table: a reference (`vision/tables/runs`), or a table as this client returns it. */
export type TableLike = string | { readonly space: string; readonly name: string };

/**
 * The space and name of a table.
 *
 * @throws InvalidReferenceError the text has another form
 */
export function parseTable(table: TableLike): { space: string; name: string } {
  if (typeof table !== 'string') return { space: table.space, name: table.name };
  const [space = '', kind, name = '', ...more] = table.replace(/^ks:\/\//, '').split('/');
  if (kind === 'tables' && more.length === 0) {
    return { space: checkName(space, 'space'), name: checkName(name, 'table') };
  }
  throw new InvalidReferenceError(`${JSON.stringify(table)} is not the reference of a table.`, {
    status: 0,
    hint: 'Write space/tables/name, for example vision/tables/runs.',
  });
}
