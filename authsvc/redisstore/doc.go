// Package redisstore is the store that the replicas of the auth service share:
// the refresh states in Redis (one server, Sentinel or Cluster; version 6.2 or
// later). It implements [authsvc.Sessions].
//
// # The keys
//
// One string for each session that was refreshed at least once; at login
// nothing is written.
//
//	sr:f:<session, 16 bytes>    s <generation, 4> <issued, 6> <parent issued, 6> [<retry hash, 8>]
//	                            x <T, 4> <Exp, 4>
//
// all numbers big-endian. The first form is the authsvc.State of the session,
// its times in Unix milliseconds. The second is the tombstone of a session
// that theft has ended: T and Exp of its revocation entry, in Unix seconds.
// Both go when the session has ended. Redis takes at most 165 bytes for a
// session, everything counted, while its tables are full; written out in
// decimals a state would take 32 more. There is no namespace in the key:
// session ids are 128 random bits, so that deployments which share a Redis
// never meet, and on a cluster the sessions spread over all slots.
//
// # The step
//
// authsvc.Step is a Lua function here, on the one key of the session, by the
// clock of Redis: all replicas go by one clock, and a presentation is one
// round trip. A clock that has gone back is taken to stand a millisecond after
// the newest generation.
//
// # Silence
//
// A presentation is given up after Config.Timeout: ErrUnavailable. The step
// may have been made all the same, and a Redis that was frozen makes the steps
// that wait for it when it goes on. That forks nothing, and nobody is let in by
// it: the session then stands one generation ahead of its client, just as
// after an answer that was lost on the way to it, and whoever presents the
// token again within the grace, or later with its retry id, gets the very
// successor that was made. Only a client that has neither, and comes after the
// grace, can not be told from a thief.
package redisstore
