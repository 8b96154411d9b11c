import { inject } from 'vitest';
import { createCore } from '../src/client/core.ts';
import { RemoteFile } from '../src/files/remote.ts';
import type { ClientOptions, StoredFile } from '../src/index.ts';

/** The same file, as a client gets it whose server, or what is between, fails: see faults.ts. */
export function through(
  fault: string,
  { path, size, sha256 = '', mediaType, url }: StoredFile,
  options: Partial<ClientOptions> = {},
): StoredFile {
  const { faults, versions } = inject('server');
  const token = versions.readers.alice;
  const core = createCore({ baseUrl: `${faults}/${fault}`, token, cache: 'none', ...options });
  return new RemoteFile(core, { path, size, sha256, mediaType, address: new URL(url).pathname });
}
