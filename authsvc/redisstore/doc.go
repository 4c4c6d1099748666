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
// A presentation is given up after Config.Timeout: ErrUnavailable. A Redis
// that was frozen makes what waits for it when it goes on, perhaps long after
// the client was told to go on without a new token; the session would then be
// a generation ahead of its client, who would pass for a thief at the next
// refresh. So each step carries a deadline by the clock of Redis, half of the
// timeout away, after which it does nothing. The time in Redis is learnt from
// its answers: each ends with it, and a step that was late is sent again while
// there is time.
//
// What remains is a step that was made in time and whose answer was lost. It
// forks nothing and lets nobody in: whoever presents the token again within
// the grace, or later with its retry id, gets the very successor that was
// made. Only a client that has neither, and comes after the grace, can not be
// told from a thief. So after ErrUnavailable it is better to have a client try
// again soon than to send it away for minutes.
package redisstore
