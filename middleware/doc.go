// Package middleware stands before the handlers of a microservice and lets
// only requests through that carry a valid session.
//
// A Guard holds in memory the issuer's public keys and the short list of what
// to stop trusting; one feed keeps both fresh. A request is judged from memory
// alone: no network call is made for it, and it does not matter to it whether
// the issuer is up.
//
//	guard, err := middleware.New(ctx, middleware.Config{
//		Issuer:   "https://auth.example.com",
//		Audience: "orders",
//		Client:   middleware.Client{ID: "orders", Secret: secret},
//	})
//	defer guard.Close()
//	http.ListenAndServe(addr, guard.Handler(mux))
//
// # What is decided, and in which order
//
//  1. Exactly one credential: "Authorization: Bearer" or the session cookie.
//     Two of them, or one twice, are refused (400): whoever guesses which one
//     counts will one day guess differently from its neighbour.
//  2. A cookie is sent by the browser whoever wrote the page, so an unsafe
//     method with a cookie must come from the same origin
//     (net/http.CrossOriginProtection). A bearer token is never sent by itself.
//  3. A cookie is opened; inside is the very access token that a bearer would
//     carry, and from here on both go the same way.
//  4. The token is verified: form, signature, issuer, audience, times. A guard
//     remembers what it has verified, in at most 128 MiB; of a credential that it
//     has seen before it only asks what can have changed: the time and the keys.
//  5. The token is looked up in the revocation list, on every request.
//  6. The younger of the token and the list must be at most MaxStale old. The
//     issuer looks at its own list when it signs, so a young token is its own
//     proof; a cold or cut-off guard needs no special case.
//
// Check does this and decides; Handler acts on it: it answers a refusal, or it
// puts the Session into the request's context and serves. The ResponseWriter is
// passed on as it is.
//
// # Streams
//
// The request's context ends, with a cause (ErrRevoked, ErrKeyRevoked,
// ErrExpired, ErrRefreshNeeded), when the session does, so that a stream or a
// long poll ends by itself: at once for a revocation, at the token's end and
// ClockSkew otherwise. OnEnd tells a connection that does not obey a context,
// or that its handler leaves running. CloseCode says why to a WebSocket; a
// stream of server-sent events ends with an event. A handler that goes on five
// seconds later is logged, for nothing else can be done about it; one that is
// stuck in a write needs a write deadline (http.ResponseController).
//
// A stream may outlive its token: the client sends a fresh one, and Renew puts
// it in the place of the old.
//
// # Refusals
//
// The answers are those of RFC 6750 §3 with an RFC 9457 problem document. There
// is one single answer for every kind of bad token; the reason goes to the log.
// A token that a refresh would cure is told so (refresh-needed): it and the list
// are too old, or the roles or scopes of its subject have changed since.
// What is not the caller's fault is never a 401: while there are no keys yet
// the answer is 503, and a client keeps its session.
package middleware
