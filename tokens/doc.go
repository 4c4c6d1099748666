// Package tokens makes and checks everything that Sealring hands out: access
// tokens, session cookies, refresh tokens and the signed entries of the trust
// feed. It is pure: no I/O, no goroutine, no network; the time and the keys are
// arguments.
//
//	raw, err := tokens.Sign(claims, key)
//	claims, err := tokens.Verify(raw, source, expect, now)
//
// # Kinds
//
// Each kind has a typ of its own (RFC 7515 §4.1.9, RFC 8725 §3.11), one purpose
// of key, and one door; no door takes another's kind.
//
//	typ                 form           key purpose  alg                  made by      taken by
//	at+jwt              JWS, RFC 9068  at           ES256, EdDSA, RS256  Sign         Verify
//	session+jwe         JWE            cookie       dir, A256GCM         SealSession  OpenSession
//	rt+jwe              JWE            rt           A256KW, A256GCM      SealRefresh  OpenRefresh
//	data+jwe           JWE            rt           A256KW, A256GCM      Seal          Open
//	sealring-feed+jws   JWS            feed         EdDSA                SignBytes    VerifyBytes
//	sealring-keys+jws   JWS            feed         EdDSA                SignBytes    VerifyBytes
//
// The session cookie is the access token, sealed: opening it gives back the
// very string that Sign made, which is then verified like any other. So whoever
// holds the session keys can read a cookie and can still not make a session.
// data+jwe is for what its maker keeps where it does not trust the place, a
// store or a browser, and opens again itself.
//
// # The gate
//
// golang-jwt signs and go-jose seals. Both take more than one spelling of a
// token, and neither reads JSON strictly; so nothing reaches them, and no key is
// used, before an artefact has passed one gate. What is left to do of a token or a
// cookie behind it, which come with requests, is one call of the standard library or
// of keys/edtable: it takes what golang-jwt and go-jose take, as tests hold it to. In
// order:
//
//  1. length: at most MaxTokenLen bytes, kept data MaxDataLen, feed
//     entries MaxBytesLen.
//  2. form: exactly three parts (RFC 7515 §7.1) or five (RFC 7516 §7.1); only
//     A-Z a-z 0-9 - _ in them, so no padding, blank or line break; the spare
//     bits of a last character zero (RFC 4648 §3.5), so that decoding and
//     encoding again gives the same text; the header at most 512 characters; iv,
//     tag and encrypted key of exactly their length, under dir an empty one.
//  3. header: strict JSON with alg, kid, typ and, sealed, enc; each once; any
//     other member refuses it. crit, b64, zip, cty, jku, jwk, x5u, x5c, x5t, p2s,
//     p2c, epk, apu and apv are such others (RFC 8725 §3.1, §3.6, §3.10).
//  4. type: exactly the door's.
//  5. algorithm: the kind's; for access tokens one of Expect.Algs. none and the
//     HMACs are never among them.
//  6. key: known to the source by kid for the kind's purpose, neither retired
//     nor revoked, and its own one algorithm is the header's.
//
// Then the signature over the exact text (RFC 7515 §5.2), for ES256 with the
// lower s alone, so that nobody can make a second signature out of one; or the
// seal (RFC 7516 §5.2). A refusal up to here costs at most four allocations and
// a look at each byte. VerifyLive reads and judges the claims before it checks the
// signature: it accepts the same, and what is hopeless costs it no signature.
//
// # JSON
//
// Header, claims and session data are read by a strict reader (RFC 8259, and
// RFC 7493 in what it adds): UTF-8, no duplicate names at any depth, no
// escapes in names, no halves of surrogate pairs, at most 8 deep, 256 members
// and 1024 values, numbers of at most 32 characters that a float64 can hold,
// nothing behind. Whatever it takes, encoding/json reads the same.
//
// # Claims
//
// iss, sub, aud, exp, iat, jti and client_id are required (RFC 9068 §2.2); sid,
// scope, roles and auth_time may be absent, but a sid needs an auth_time. aud
// is a string or an array (RFC 7519 §4.1.3); scope has one blank between two
// (RFC 6749 §3.3); jti and sid are an ID's 22 characters. Times are Unix seconds
// in plain digits, from 1 to 2^32-1: no fraction, exponent, sign or quotes. exp
// is after iat by at most MaxLifetime. act (RFC 8693 §4.1) is an object with a sub,
// and another act in it, at most MaxActors. Unknown claims are ignored (RFC 7519 §4),
// but not one that is a known name in another case, and a duplicate never. nbf
// is honoured; cnf is refused, because a token bound to a key (RFC 7800) must
// not pass as a bearer token.
//
// Against Expect and the clock: iss equal; aud names one of Audiences; iat and
// nbf at most Leeway ahead; auth_time at most Leeway and a second, since the
// issuer rounds it up; and last, now before exp plus Leeway.
//
// # Errors
//
// Every refusal is an *Error with one Reason of a closed set, and ErrInvalid
// under errors.Is. To the outside they are all one; the Reason is for the log,
// and no text of an error quotes an artefact or a key. What is no fault of the
// artefact is not ErrInvalid: a source without keys yet (keys.ErrUnavailable),
// an unusable Expect (ErrExpect), a typ that a function does not serve
// (ErrType). Explain runs the same checks and says the verdict of each.
package tokens
