/** Identity providers: the certified `oidc-provider`, and one that lies on demand. */
import { once } from "node:events";
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { freePort } from "./atelier.js";

/** Who can sign in, by what one types. */
const ACCOUNTS = {
  ada: { name: "Ada Teacher", roles: ["teacher"] },
  ben: { name: "Ben Teacher", roles: ["teacher"] },
  olga: { name: "Olga Operator", roles: ["operator"] },
  sam: { name: "Sam Student", roles: [] },
};

/** A key that signs tokens: {privateKey, publicKey, jwk} with the public JWK. */
export async function signingKey(kid, alg = "RS256") {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
  return { privateKey, publicKey, jwk, kid, alg };
}

/** Requests by path, and a server that can go away and come back on the same port. */
async function server(port, answer) {
  const counts = {};
  let listening;
  async function start() {
    listening = createServer((request, response) => {
      const path = request.url.split("?")[0];
      counts[path] = (counts[path] ?? 0) + 1;
      answer(request, response);
    }).listen(port, "127.0.0.1");
    await once(listening, "listening");
  }
  async function stop() {
    listening.closeAllConnections();
    listening.close();
    await once(listening, "close");
  }
  await start();
  return { counts, start, stop };
}

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
}

/** `oidc-provider`, with a sign-in page of one field. `site` is the address of the API. */
export async function startProvider({ secret } = {}) {
  const { default: Provider } = await import("oidc-provider");
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  let provider, handle, site;

  async function build(kid) {
    const { privateKey, jwk } = await signingKey(kid);
    const key = { ...(await exportJWK(privateKey)), kid, use: "sig", alg: jwk.alg };
    provider = new Provider(issuer, {
      clients: [
        {
          client_id: "atelier",
          ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
          redirect_uris: [`${site}/auth/callback`],
          post_logout_redirect_uris: [`${site}/auth/signed-out`],
          grant_types: ["authorization_code", "refresh_token"],
          response_types: ["code"],
        },
      ],
      jwks: { keys: [key] },
      cookies: { keys: ["a key for tests"] },
      claims: { openid: ["sub"], profile: ["name", "roles"] },
      conformIdTokenClaims: false,
      ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 600, IdToken: 300, Interaction: 600, Session: 600 },
      findAccount: (_, id) => ACCOUNTS[id] && { accountId: id, claims: () => ({ sub: id, ...ACCOUNTS[id] }) },
      features: {
        devInteractions: { enabled: false },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (ctx, form) => {
            ctx.body = `<!doctype html><title>Sign out</title>${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`;
          },
        },
      },
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      async loadExistingGrant(ctx) {
        const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
        grant.addOIDCScope("openid profile email offline_access");
        await grant.save();
        return grant;
      },
      renderError(ctx, out) {
        ctx.type = "text";
        ctx.body = `${out.error}: ${out.error_description}`;
      },
    });
    provider.on("server_error", (_, error) => console.error(error));
    handle = provider.callback();
  }

  async function answer(request, response) {
    if (!request.url.startsWith("/interaction/")) return handle(request, response);
    if (request.method === "GET") {
      response.setHeader("content-type", "text/html; charset=utf-8");
      return response.end('<!doctype html><title>Sign in</title><form method="post"><label>Account <input name="login"></label><button>Sign in</button></form>');
    }
    const login = (await bodyOf(request)).get("login");
    return provider.interactionFinished(request, response, { login: { accountId: login } });
  }

  const { counts, start, stop } = await server(port, answer);
  return {
    issuer,
    counts,
    start,
    stop,
    /** The options of an API that trusts it, and is reached at `url`. */
    async options(url) {
      site = url;
      await build("first");
      return { AUTH_ISSUER: issuer, AUTH_CLIENT_ID: "atelier", PUBLIC_URL: url, ...(secret && { AUTH_CLIENT_SECRET: secret }) };
    },
    /** New keys; the old ones are gone. */
    rotate: build,
  };
}

/**
 * A provider that gives whatever ID token the test makes. `token(claims)` answers it for the claims
 * that a good one has.
 */
export async function startLiar() {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const keys = [await signingKey("k-1")];
  const codes = new Map();
  const liar = { issuer, keys, served: [...keys], subject: "ada", token: null, tokenStatus: 200 };

  function json(response, body, status = 200) {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }

  async function answer(request, response) {
    const url = new URL(request.url, issuer);
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return json(response, {
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["RS256"],
        });
      case "/jwks":
        return json(response, { keys: liar.served.map(({ jwk }) => jwk) });
      case "/authorize": {
        const code = `code-${codes.size}`;
        codes.set(code, url.searchParams.get("nonce"));
        const back = new URL(url.searchParams.get("redirect_uri"));
        back.searchParams.set("code", code);
        back.searchParams.set("state", url.searchParams.get("state"));
        response.writeHead(302, { location: back.href });
        return response.end();
      }
      case "/token": {
        const code = (await bodyOf(request)).get("code");
        if (liar.tokenStatus !== 200 || !codes.has(code)) return json(response, { error: "invalid_grant" }, 400);
        const nonce = codes.get(code);
        codes.delete(code);
        const id_token = await liar.token({ ...liar.claims(), nonce });
        return json(response, { token_type: "Bearer", access_token: "a", expires_in: 300, id_token });
      }
      default:
        response.writeHead(404);
        return response.end();
    }
  }

  /** What a good token says. */
  liar.claims = (more = {}) => {
    const now = Math.floor(Date.now() / 1000);
    return { iss: issuer, aud: "atelier", sub: liar.subject, name: "Ada", roles: ["teacher"], iat: now, exp: now + 300, ...more };
  };
  /** A token that is signed by `key` as `header` says. */
  liar.sign = (claims, { key = keys[0], ...header } = {}) => new SignJWT(claims).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);
  liar.options = (url) => ({ AUTH_ISSUER: issuer, AUTH_CLIENT_ID: "atelier", PUBLIC_URL: url });
  liar.token = liar.sign;
  return Object.assign(liar, await server(port, answer));
}
