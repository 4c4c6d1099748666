// Package redisstore is the store that the replicas of the auth service share:
// the log of revocations, the refresh states and the data of sessions in Redis
// (one server, Sentinel or Cluster; version 6.2 or later). It implements
// [authsvc.Log], [authsvc.Sessions] and [authsvc.Data].
//
// # The log
//
// Redis is where the replicas meet, and is not trusted to remember: it may be
// killed without having written anything, and a failover keeps a prefix of its
// history and drops the rest. So each replica has a journal on its own disk,
// and notices when Redis has lost something.
//
// In Redis the log is one stream. Each append has a random nonce. In one turn,
// which is one atomic script, a replica checks that the append at its cursor is
// still there with its nonce, appends what it has to say, and reads what comes
// after its cursor. An id alone would prove nothing, because after a failover
// another append may stand under it. An entry counts as shared when it was read
// back: an append that was only acknowledged could be lost in a failover that
// leaves the cursor's own entry in place, and nobody would notice.
//
// Where the cursor does not stand any more the replica heals: it reads the
// whole log, merges it, and puts in line whatever it knows and the log lacks.
// If the epoch was still the old one, Redis was rolled back, and gets a new
// epoch first: a cursor is only valid in an epoch that has lost nothing. The
// followers hear of it as a rebase, so that no verifier needs a snapshot.
// Entries merge by maximum, so that two replicas that heal at once, and writes
// whose answer was lost, do no harm.
//
// An Append is acknowledged once its entries are in the journal and were read
// back. While Redis does not answer it is acknowledged with
// authsvc.ErrNotShared: the entries are in the journal, in force here, and in
// line for Redis. Nothing waits longer for Redis than LogConfig.Timeout.
//
// The stream keeps a day. What matters longer is appended again before it is
// too old, so that the stream always holds every entry that matters, and a new
// replica that has read it knows all there is (Log.Complete).
//
// # The keys
//
//	sr:{<namespace>}:re    the epoch: <16 hex digits>:<born, Unix ms>:<buckets>
//	sr:{<namespace>}:rl    the stream: n <nonce, 8> o <replica, 8> e <entries, 29 bytes each>
//	sr:{<namespace>}:hb    lock of the replica that keeps a quiet stream from being trimmed
//	sr:c:<k>               on a cluster, one in each shard: <name>:<bumps>, see canary.go
//	sr:b:<bucket>          a hash; of each session that was refreshed at least once, or revoked,
//	                       the field <the last 12 bytes of its id>:
//	                       <end, 3> <generation, 4> <issued, 6> <age of the parent, 5> [<retry hash, 7>]
//	                       <end, 3> <T, 4> <Exp, 4>
//	sr:d:<session id, 16>  a hash of the cells of the data of a session, if that was changed
//
// all numbers in it big-endian. The first form of the last is the authsvc.State of the
// session, its times in Unix milliseconds. The second is the tombstone of a
// session that theft or a revocation has ended: T and Exp of its entry, in Unix
// seconds. It lets logout win the race with a refresh at a replica that has not
// read of it yet; one that has asks no state.
//
// # The buckets
//
// Sessions share hashes because a key of its own would take 160 bytes of Redis
// for each, most of it for the key. With some 64 in a bucket, which Redis keeps
// as one block of memory, it is 47, everything counted, and 31 for a tombstone;
// a step takes no longer for it. With more sessions than were expected it is 93,
// with very few 160, so there is no other layout to choose.
//
// The number of buckets is made for LogConfig.Sessions when Redis is used for
// the first time, and stays: another one would put each session elsewhere. All
// replicas must go by the same number, so it is part of the epoch, which each
// looks at in each turn. Whoever makes a new epoch, because Redis has lost
// something, gives it the number that it has gone by. A replica that would like
// another number logs it, and goes by that.
//
// A field has no expiry of its own in Redis. It begins with the end of its
// session, rounded up to four minutes: after that it counts as gone, and the
// next first refresh of a session in its bucket sweeps it out, or one of the
// next four. The bucket itself goes at the end of its last session.
//
// There is no namespace in the keys: session ids are 128 random bits, so that
// deployments which share a Redis never meet in a field, and on a cluster the
// buckets spread over all slots.
//
// # The step
//
// authsvc.Step is a Lua function here, on the one field of the session, by the
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
