import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLIENT = fileURLToPath(new URL('../../', import.meta.url));

/** A project that has the package as npm gives it, and nothing else. */
export interface Consumer {
  folder: string;
  /** What is in the package. */
  files: string[];
  /** Write a file, and say where it is. */
  write(name: string, text: string): string;
  /** Run a program of the client's own development tools, or node. */
  run(program: string, ...args: string[]): string;
  remove(): void;
}

/** Pack the client, and install the archive into an empty project. */
export function installConsumer(): Consumer {
  const folder = mkdtempSync(join(tmpdir(), 'ks-consumer-'));
  const npm = (cwd: string, ...args: string[]): string =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  npm(CLIENT, 'pack', '--silent', '--pack-destination', folder);
  const [archive = ''] = readdirSync(folder);
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  write('package.json', '{ "name": "consumer", "private": true, "type": "module" }');
  npm(folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', `./${archive}`);
  const listed = execFileSync('tar', ['-tzf', archive], { cwd: folder, encoding: 'utf8' });
  return {
    folder,
    files: listed.trim().split('\n').sort(),
    write,
    run: (program, ...args) =>
      execFileSync(
        program === 'node' ? program : join(CLIENT, 'node_modules/.bin', program),
        args,
        {
          cwd: folder,
          encoding: 'utf8',
          // what the compiler says is seen where it fails
          stdio: ['ignore', program === 'node' ? 'pipe' : 'inherit', 'inherit'],
        },
      ) ?? '',
    remove: () => rmSync(folder, { recursive: true }),
  };
}
