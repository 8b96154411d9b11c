// Write what follows from the contract, or with --check see whether it is in step:
// node scripts/contract.js [--check] [FOLDER]
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const check = process.argv.includes('--check');
const [folder] = process.argv.slice(2).filter((argument) => argument !== '--check');
const contract = folder
  ? pathToFileURL(`${resolve(folder)}/`)
  : new URL('../../../contract/', import.meta.url);
const source = new URL('../src/', import.meta.url);
const HEAD = '// Written by `npm run contract` from contract/; do not edit.\n';

/** The types of every path and structure. */
async function types() {
  const ast = await openapiTS(new URL('openapi.json', contract), { alphabetize: true });
  return `${HEAD}${astToString(ast)}`;
}

/** Every code but the root's, parents first. */
async function derivedCodes() {
  const errors = JSON.parse(await readFile(new URL('errors.json', contract), 'utf8'));
  const of = new Map(errors.map((error) => [error.code, error]));
  const depth = ({ parent }) => (parent === null ? 0 : 1 + depth(of.get(parent)));
  const derived = errors.filter(({ parent }) => parent !== null);
  derived.sort((a, b) => depth(a) - depth(b));
  return derived.map((error) => ({ ...error, base: of.get(error.parent).name }));
}

/** A class for each code. */
async function classes() {
  const text = (await derivedCodes()).map(({ code, status, meaning, name, base }) => {
    return `/** ${meaning} */
export class ${name} extends ${base} {
  static override readonly code: string = '${code}';
  static override readonly status: number = ${status};
  override readonly name: string = '${name}';
}
`;
  });
  return `${HEAD}import { StorageError } from './storage-error.ts';

${text.join('\n')}`;
}

/** The list of them, for whoever looks a code up. */
async function list() {
  const names = (await derivedCodes()).map(({ name }) => `  ${name},\n`).join('');
  return `${HEAD}import {
${names}} from './classes.ts';
import type { StorageError } from './storage-error.ts';

/** Every class but the root, parents first. */
export const CLASSES: readonly (typeof StorageError)[] = [
${names}];
`;
}

const stale = [];
for (const [path, write] of [
  ['contract/openapi.ts', types],
  ['errors/classes.ts', classes],
  ['errors/list.ts', list],
]) {
  const file = new URL(path, source);
  const text = await write();
  if (!check) await writeFile(file, text);
  else if ((await readFile(file, 'utf8').catch(() => '')) !== text) stale.push(path);
}
if (stale.length > 0) {
  console.error(`Out of step with contract/: src/${stale.join(', src/')}. Run: make contract`);
  process.exitCode = 1;
}
