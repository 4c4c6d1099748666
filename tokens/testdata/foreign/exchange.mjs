// Reads one exchange (JSON) from standard input, does it with three Node
// libraries, writes what they saw and what they signed (JSON) to standard
// output. foreign_test.go describes both shapes.
import { createPublicKey, createPrivateKey, createHmac, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";
import { createSigner, createVerifier } from "fast-jwt";

globalThis.crypto ??= webcrypto; // Node 18 has it, but not as a global

const x = JSON.parse(readFileSync(0, "utf8"));
const out = { verified: [], opened: [], signed: [] };
const kidOf = (raw) => jose.decodeProtectedHeader(raw).kid;
const jwkOf = (raw) => x.jwks.keys.find((k) => k.kid === kidOf(raw));
const pem = (jwk) => createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
const privatePem = (jwk) => createPrivateKey({ key: jwk, format: "jwk" }).export({ type: "pkcs8", format: "pem" });

for (const [alg, raw] of Object.entries(x.tokens)) {
  const set = jose.createLocalJWKSet(x.jwks);
  const seen = await jose.jwtVerify(raw, set, { issuer: x.issuer, audience: x.audience, typ: "at+jwt", algorithms: [alg] });
  out.verified.push({ library: "jose", alg, sub: seen.payload.sub });

  const fast = createVerifier({ key: pem(jwkOf(raw)), algorithms: [alg], allowedIss: x.issuer, allowedAud: x.audience });
  out.verified.push({ library: "fast-jwt", alg, sub: fast(raw).sub });

  if (alg === "EdDSA") continue; // jsonwebtoken 9 has no EdDSA
  const old = jsonwebtoken.verify(raw, pem(jwkOf(raw)), { algorithms: [alg], issuer: x.issuer, audience: x.audience });
  out.verified.push({ library: "jsonwebtoken", alg, sub: old.sub });
}

for (const [name, { raw, jwk }] of Object.entries(x.sealed)) {
  const opened = await jose.compactDecrypt(raw, await jose.importJWK(jwk, jwk.alg));
  out.opened.push({ library: "jose", name, plaintext: Buffer.from(opened.plaintext).toString("base64url") });
}

const sign = (alg, jwk, header, claims) =>
  jose.importJWK(jwk, alg).then((key) => new jose.SignJWT(claims).setProtectedHeader(header).sign(key));

for (const [alg, jwk] of Object.entries(x.private)) {
  const header = { alg, kid: jwk.kid, typ: "at+jwt" };
  const say = (library, raw, refusedFor = "") => out.signed.push({ library, alg, raw, refusedFor });
  // Half of all ECDSA signatures have a high s, which Sealring refuses: sign enough.
  for (let i = 0; i < 32; i++) {
    say("jose", await sign(alg, jwk, header, x.claims));
    say("fast-jwt", createSigner({ key: privatePem(jwk), algorithm: alg, header })(x.claims));
    if (alg !== "EdDSA") say("jsonwebtoken", jsonwebtoken.sign(x.claims, privatePem(jwk), { algorithm: alg, header }));
  }
  say("jose", await sign(alg, jwk, { ...header, typ: "JWT" }, x.claims), "typ JWT");
  say("jose", await sign(alg, jwk, { alg, kid: jwk.kid }, x.claims), "no typ");
  say("jose", await sign(alg, jwk, { alg, typ: "at+jwt" }, x.claims), "no kid");
  say("jose", await sign(alg, jwk, { ...header, jku: "https://evil.example/jwks" }, x.claims), "jku");
  say("jose", await sign(alg, jwk, { ...header, b64: true, crit: ["b64"] }, x.claims), "crit");
  const { d, p, q, dp, dq, qi, ...pub } = jwk;
  say("jose", await sign(alg, jwk, { ...header, jwk: pub }, x.claims), "jwk");
  say("jose", await sign(alg, jwk, header, { ...x.claims, iss: "https://evil.example" }), "another issuer");
  say("jose", await sign(alg, jwk, header, { ...x.claims, aud: "somebody-else" }), "another audience");
  say("jose", await sign(alg, jwk, header, { ...x.claims, exp: x.claims.iat - 3600, iat: x.claims.iat - 7200 }), "expired");

  const other = await jose.generateKeyPair(alg, { modulusLength: 3072, extractable: true });
  say("jose", await new jose.SignJWT(x.claims).setProtectedHeader(header).sign(other.privateKey), "another key under our kid");

  const b64 = (v) => Buffer.from(JSON.stringify(v)).toString("base64url");
  const hs = `${b64({ ...header, alg: "HS256" })}.${b64(x.claims)}`;
  say("node", `${hs}.${createHmac("sha256", pem(pub)).update(hs).digest("base64url")}`, "the public key as an HMAC secret");
  say("node", `${b64({ ...header, alg: "none" })}.${b64(x.claims)}.`, "alg none");
  if (alg === "RS256") say("jose", await sign("PS256", { ...jwk, alg: "PS256" }, { ...header, alg: "PS256" }, x.claims), "PS256 under an RS256 key");
}

process.stdout.write(JSON.stringify(out));
