// An OpenID Connect provider for the tests: oidc-provider as it is, told what to be on stdin.
//
// Beside the provider's own routes there are two for the tests, which stand for a person:
//   POST /test/token    {account, ttl, ...}    a JWT access token, as the provider makes it
//   POST /test/device   {user_code, account}   approve a device; without an account, deny it
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { Provider } from 'oidc-provider';

const wanted = JSON.parse(await text(process.stdin));
const server = http.createServer();
await new Promise((resolve) => server.listen(wanted.port, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const resourceServer = (ttl) => ({
  audience: wanted.audience,
  scope: 'storage',
  accessTokenFormat: 'jwt',
  accessTokenTTL: ttl ?? wanted.ttl,
  jwt: { sign: { alg: wanted.algorithm } },
});

const provider = new Provider(issuer, {
  jwks: wanted.jwks,
  clients: [
    {
      client_id: wanted.client_id,
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    deviceFlow: { enabled: true },
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => resourceServer(),
      useGrantedResource: () => true,
    },
  },
  interactions: { url: () => '/nobody-is-here' },
  cookies: { keys: ['tests'] },
  ttl: { DeviceCode: wanted.device_ttl, RefreshToken: 3600, Grant: 3600, IdToken: 600 },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: (ctx, token) => wanted.accounts[token.accountId],
});

async function mint({ account, ttl }) {
  const client = await provider.Client.find(wanted.client_id);
  const token = new provider.AccessToken({
    accountId: account,
    client,
    scope: 'storage',
    gty: 'device_code',
    extra: wanted.accounts[account],
  });
  token.resourceServer = new provider.ResourceServer(wanted.audience, resourceServer(ttl));
  return { access_token: await token.save() };
}

async function decide({ user_code, account }) {
  const code = await provider.DeviceCode.findByUserCode(user_code.replace(/\W/g, ''));
  if (!account) {
    Object.assign(code, { error: 'access_denied', errorDescription: 'the person said no' });
  } else {
    const grant = new provider.Grant({ accountId: account, clientId: code.clientId });
    grant.addOIDCScope(code.params.scope);
    grant.addResourceScope(wanted.audience, 'storage');
    Object.assign(code, {
      accountId: account,
      authTime: Math.floor(Date.now() / 1000),
      grantId: await grant.save(),
      scope: `${code.params.scope} storage`,
      resource: code.params.resource,
    });
  }
  await code.save();
  return {};
}

const forTests = { '/test/token': mint, '/test/device': decide };
const answer = provider.callback();
server.on('request', async (request, response) => {
  const route = forTests[request.url];
  if (!route) return answer(request, response);
  try {
    const found = await route(JSON.parse(await text(request)));
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(found));
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
});

process.stdout.write(`${issuer}\n`);
