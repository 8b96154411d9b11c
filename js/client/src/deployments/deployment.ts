import type { Core } from '../client/core.ts';
import { ConfigurationError, InternalError, VersionNotFoundError } from '../errors/index.ts';
import { answer } from '../http/api.ts';
import type { CallOptions } from '../http/http.ts';
import { getVersion } from '../versions/look-up.ts';
import type { Version } from '../versions/version.ts';

/** Where a deployment says what it shows. */
export interface DeploymentOptions extends CallOptions {
  /**
   * The address of its `deployment.json`. Without it the one that the page names in
   * `<link rel="deployment">`, or else `/deployment.json`.
   */
  url?: string | URL | undefined;
}

/** What a deployment shows: a front end, and the versions of data that are pinned with it. */
export interface Deployment {
  /** `site/prod`. */
  readonly deployment: string;
  /** `site/artefacts/kd-front`; undefined where nothing is shown. */
  readonly app: string | undefined;
  /** The hash of its version. */
  readonly version: string | undefined;
  /** The hashes of the pinned versions, by name: `{'vision/artefacts/report': '3f9a…'}`. */
  readonly data: Readonly<Record<string, string>>;
  /**
   * A pinned version: `getVersion('vision/artefacts/report')`.
   *
   * @throws VersionNotFoundError the deployment pins none of that name, or the caller may not see it
   */
  getVersion(name: string, options?: CallOptions): Promise<Version>;
}

/** What the deployment shows that this page belongs to; asked without the token. */
export async function getDeployment(
  core: Core,
  { url, ...options }: DeploymentOptions = {},
): Promise<Deployment> {
  const at = placeOf(url);
  const http = core.stranger(at.origin);
  const response = await http.send({ ...options, path: at.pathname + at.search });
  const told = await answer(response.json().then((data) => ({ data, response })));
  const { deployment, app, version, data } = told as Record<string, unknown>;
  if (typeof deployment !== 'string' || !isPins(data)) {
    throw new InternalError(`${at} does not say what a deployment shows.`, { status: 0 });
  }
  return {
    deployment,
    app: typeof app === 'string' ? app : undefined,
    version: typeof version === 'string' ? version : undefined,
    data,
    async getVersion(name, options) {
      const hash = Object.hasOwn(data, name) ? data[name] : undefined;
      if (hash !== undefined) return getVersion(core, `${name}@${hash}`, options);
      throw new VersionNotFoundError(`${deployment} pins no version of ${JSON.stringify(name)}.`, {
        status: 0,
        hint: 'Pin it: ks web deploy … --data REFERENCE.',
      });
    },
  };
}

function placeOf(url: string | URL | undefined): URL {
  const page = globalThis.document;
  const link = page?.querySelector<HTMLLinkElement>('link[rel=deployment]')?.href;
  try {
    return new URL(url ?? link ?? '/deployment.json', page?.baseURI);
  } catch (cause) {
    const hint = 'Give the url of its deployment.json.';
    throw new ConfigurationError('No page says which deployment is meant.', {
      status: 0,
      hint,
      cause,
    });
  }
}

function isPins(data: unknown): data is Record<string, string> {
  if (typeof data !== 'object' || data === null) return false;
  return Object.values(data).every((hash) => typeof hash === 'string');
}
