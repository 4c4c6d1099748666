// Package issuer follows one issuer: it keeps that issuer's public keys, its
// session keys and its revocations in memory, and keeps them fresh. It is the
// only part of verifying that talks to the network, and it does so beside the
// requests, never for one.
//
// # What it does
//
// Over one keep-alive connection, one after the other: the metadata (RFC
// 8414), the key set (RFC 7517), the session keys where a Client is given, and
// then the feed, which stays open. The feed's first event is the key set in
// the form in which it is now, the second a snapshot of the revocations; deltas
// and heartbeats follow.
//
// Whatever the feed says is signed with a feed key of the key set, so what
// carries it can delay it and nothing else. The entries of every authentic
// frame are applied, for revocations merge in any order. The position moves on
// only where a frame joins on to it; otherwise one is missing, and the feed is
// asked again from the last position that is sure.
//
// # When something fails
//
// Nothing that was once known is given up: keys and revocations go on to be
// served while the issuer is away, and AsOf tells how old they are. A
// connection on which the fourth heartbeat is about to fail to come is dead. It is
// redone after a random time whose bound doubles from half a second to half a
// minute, so that ten thousand followers do not come back in one moment.
//
// A key that has left the set has left the follower with the same event. A
// token with an unknown key can make it look for a newer set (Refresh), once in
// ten seconds at most, whatever is thrown at it. While a feed is live, what is
// found only counts if it is newer than what the feed said.
//
// # What it reports
//
// A follower has a random id. It says with each connection to the feed which
// generation of the keys it holds, and reports a later one once it holds all
// of it (POST held_uri), so that a rotation can wait for its verifiers.
//
// # The snapshot file
//
// With Config.Snapshot, what is known is kept in a file: both key sets and the
// revocations, with their position and age. A follower that starts while the
// issuer is away begins with it, as if it had never ended: AsOf is the file's,
// so that lag and every rule about it hold. It is written within seconds of a
// change and at the end, by a rename, so that it is never half there.
//
// The file is sealed under a key that is derived from the client's secret. It
// holds the keys that open session cookies, and whoever could open it could
// have asked the issuer for them. Nobody else can read it or make one. Who may
// write to its folder can remove it or bring back an older one, which is as old
// as it says. What is damaged, of another issuer, client or secret, from the
// future, or has keys of more than a day is logged and not used: the follower
// starts without.
//
// # Whom it believes
//
// The metadata must name the very issuer that was configured (RFC 8414 §3.3),
// and only addresses of the issuer's own origin; redirects are not followed.
// Otherwise whoever may write one page of a host could hand us his keys, or
// have us send our secret to a place of his choice. Every body, line and event
// has a bound.
//
// With a relay (Config.Feed) the metadata is the issuer's own all the same. Each
// address in it is asked for below the relay's URL, and nowhere else. The relay
// can not make or change a frame, for it has no key of the issuer's; but who
// begins to follow takes the first key set from it, as he would from the
// issuer. So it has to be reached by TLS and run by people who may be believed.
package issuer
