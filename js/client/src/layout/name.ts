import { InvalidNameError, InvalidPathError, InvalidReferenceError } from '../errors/index.ts';

/** The kinds of versioned trees. */
export type Kind = 'artefacts' | 'models' | 'datasets';

const KINDS: readonly string[] = ['artefacts', 'models', 'datasets'];
const NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const HASH = /^[0-9a-f]{64}$/;

/** One artefact, model or dataset, and which version of it. */
export interface Reference {
  space: string;
  kind: Kind;
  name: string;
  /** A tag, a hash or the beginning of one, or `latest`. */
  selector: string;
}

/**
 * Read `space/kind/name[@selector]`, with `ks://` before it or without.
 *
 * @throws InvalidReferenceError the text has another form
 * @throws InvalidNameError a part breaks the naming rule
 */
export function parseReference(text: string): Reference {
  const parts = text.replace(/^ks:\/\//, '').split('/');
  const [space = '', kind = '', last = ''] = parts;
  if (parts.length !== 3 || !KINDS.includes(kind)) {
    throw new InvalidReferenceError(`${JSON.stringify(text)} is not a reference.`, {
      status: 0,
      hint: 'Write space/kind/name, for example vision/datasets/cats@prod.',
    });
  }
  const at = last.indexOf('@');
  return {
    space: checkName(space, 'space'),
    kind: kind as Kind,
    name: checkName(at < 0 ? last : last.slice(0, at)),
    selector: at < 0 ? 'latest' : checkSelector(last.slice(at + 1)),
  };
}

/** A space key or name that may be part of an address, or InvalidNameError. */
export function checkName(text: string, what = 'name'): string {
  if (NAME.test(text)) return text;
  throw new InvalidNameError(`${JSON.stringify(text)} cannot be a ${what}.`, {
    status: 0,
    hint: "Use 1 to 128 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.",
  });
}

/** A tag, a hash prefix or `latest`, or InvalidReferenceError. */
export function checkSelector(text: string): string {
  if (NAME.test(text)) return text;
  throw new InvalidReferenceError(`${JSON.stringify(text)} is neither a tag nor a hash.`, {
    status: 0,
    hint: 'Write a tag (@prod), 4 to 64 hexadecimal digits (@3f9a0c) or @latest.',
  });
}

/** Whether a text is a whole SHA-256. */
export function isHash(text: string): boolean {
  return HASH.test(text);
}

/**
 * A file's path, whose segments an address does not read as another folder.
 *
 * @throws InvalidPathError it is empty, or could lead elsewhere
 */
export function checkPath(path: string): string {
  const lost = path.split('/').some((segment) => ['', '.', '..'].includes(segment));
  // half a pair of UTF-16 is no character
  if (!lost && !/\p{Surrogate}/u.test(path)) return path;
  throw new InvalidPathError(`${JSON.stringify(path)} is not the path of a file.`, {
    status: 0,
    hint: 'Write it as version.files() lists it, for example train/0001.png.',
  });
}
