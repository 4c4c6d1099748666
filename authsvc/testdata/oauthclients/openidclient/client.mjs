// Does with openid-client what it reads from standard input, a JSON object on
// each line, and answers each with a line of what came of it. Its argument is
// the issuer. foreignclient_test.go has both shapes.
import { createInterface } from "node:readline";
import { webcrypto } from "node:crypto";
import * as client from "openid-client";

globalThis.crypto ??= webcrypto; // Node 18 has it, but not as a global

const issuer = new URL(process.argv[2]);
const auth = {
  none: () => client.None(),
  basic: (secret) => client.ClientSecretBasic(secret),
  post: (secret) => client.ClientSecretPost(secret),
};

// The only thing that is not as in production: plain HTTP, on loopback.
const discovered = (a) =>
  client.discovery(issuer, a.id || "login", undefined, auth[a.auth || (a.secret ? "basic" : "none")](a.secret), {
    algorithm: a.algorithm || "oauth2",
    execute: [client.allowInsecureRequests],
  });

const scoped = (a) => (a.scope ? { scope: a.scope } : undefined);
const verbs = {
  discover: async (config) => ({ metadata: config.serverMetadata() }),
  refresh: (config, a) => client.refreshTokenGrant(config, a.refresh_token, scoped(a)),
  credentials: (config, a) => client.clientCredentialsGrant(config, scoped(a)),
  revoke: async (config, a) => ({ revoked: await client.tokenRevocation(config, a.token) }),
  introspect: async (config, a) => ({ introspection: await client.tokenIntrospection(config, a.token) }),
};

// A refusal is the error's own. Of a 401 it has only the challenge, and of what
// RFC 6749 does not foresee only the answer.
const failure = async (e) => {
  const answer = e.response ?? e.cause;
  const body = e.error ? {} : await answer?.clone?.().json().catch(() => ({}));
  return { error: e.error ?? body?.error ?? String(e), status: e.status ?? answer?.status };
};

for await (const line of createInterface({ input: process.stdin })) {
  const a = JSON.parse(line);
  let said;
  try {
    said = { ...(await verbs[a.do](await discovered(a), a)), status: 200 };
  } catch (e) {
    said = await failure(e);
  }
  process.stdout.write(JSON.stringify([said]) + "\n");
}
