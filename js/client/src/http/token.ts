import { StorageError, UnauthenticatedError } from '../errors/index.ts';

/** A token, or what gives one: asked at first, and once more when the server refuses the last. */
export type Token = string | (() => string | Promise<string>);

/** The token of one caller; many calls may ask for it at once. */
export class Tokens {
  #source: Token | undefined;
  #asked: Promise<string | undefined> | undefined;

  constructor(source: Token | undefined) {
    this.#source = source;
  }

  /** The token to send, if there is one. */
  get(): Promise<string | undefined> {
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  /** Another token than the one that was refused, or undefined where there is none. */
  async renew(refused: string | undefined): Promise<string | undefined> {
    const asked = this.#asked;
    const current = await asked;
    if (asked === this.#asked && current === refused) {
      if (typeof this.#source !== 'function') return undefined;
      this.#asked = this.#ask();
    }
    const renewed = await this.get();
    return renewed === refused ? undefined : renewed;
  }

  /** Forget the token, and get no other. */
  end(): void {
    this.#asked = undefined;
    this.#source = () => {
      throw new UnauthenticatedError('This client has logged out.', {
        status: 0,
        hint: 'Make another one with createClient().',
      });
    };
  }

  #ask(): Promise<string | undefined> {
    const asked = ask(this.#source);
    asked.catch(() => {
      if (this.#asked === asked) this.#asked = undefined; // the next call asks again
    });
    return asked;
  }
}

async function ask(source: Token | undefined): Promise<string | undefined> {
  if (typeof source !== 'function') return checked(source);
  try {
    return checked(await source());
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    throw new UnauthenticatedError('The function that gives the token failed.', {
      status: 0,
      cause,
    });
  }
}

function checked(token: string | undefined): string | undefined {
  if (token === undefined || (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token))) {
    return token;
  }
  // never what it is: it may be most of a secret
  throw new UnauthenticatedError('What was given as a token cannot be one.', {
    status: 0,
    hint: 'A token is a text of visible ASCII characters, without spaces or line ends.',
  });
}
