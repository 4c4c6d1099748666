// Package ringredis keeps a key ring in Redis (one server, Sentinel or
// Cluster), for replicas of the auth service that share no disk: sealed as in
// a file of package ringfile, changed by compare-and-set, and written back by
// whoever still has it when Redis loses it.
//
// # The key
//
// One string, sr:{NAMESPACE}:ks, without an expiry:
//
//	<generation>:<sealed>
//
// The generation is a decimal number, to be read without a master key, and
// must be the one inside. <sealed> is the compact JWE of ringfile.SealFor: the
// namespace is part of its protected header, so that the value can neither be
// changed nor moved to another namespace (ringfile.ErrDamaged,
// ringfile.ErrNamespace). A string that is empty counts as no ring.
//
// # Writing
//
// A writer reads the value, plans on the ring inside it, and has a script put
// the new value there if the old one is still exactly what it read; since two
// seals are never alike, this is a compare-and-set on the generation and on
// the ring besides. The script says yes as well when the new value is there
// already, so a writer that got no answer just asks again: it then knows
// whether its write was carried out. If Redis stays silent it is told
// ErrUnknown, which is not "failed": a Redis that was frozen carries out what
// waits for it when it goes on. After ErrUnknown look at the ring, which Watch
// keeps up to date, before planning again. Reads are scripts too, and so are
// served by the primary whatever the client sends to its replicas.
//
// A message on a channel of the key's name wakes the others. It is not relied
// on: every replica also looks every few seconds (Config.Poll). No operation
// waits longer than Config.Timeout, and none of them stands before a request:
// the copy in memory is served while Redis is away, for as long as the plan's
// lease allows ([Shared.Checked]).
//
// # Redis forgets
//
// Redis may lose what it acknowledged: killed without persistence, restored
// from a backup, failed over to a replica that lagged behind. So no reader
// goes back: whoever finds the ring gone (ErrLost) or older than its copy
// (ringfile.ErrRollback) writes its copy back, by compare-and-set, so that a
// ring which somebody else has put there meanwhile is never overwritten, and
// raises an alarm. The newest ring that a live replica has is in Redis again
// after its next look. A value that does not open is left alone, since it
// might be newer: it is reported, the copy stays, and nobody can write. To
// repair that, or to get rid of a foreign key, delete the Redis key.
//
// # Two lines of rings
//
// If Redis loses generation 7 while the replicas that know it are cut off, an
// administrator may make another generation 7 out of 6. When the two meet,
// everybody decides alike: the ring with more revoked keys stays; among equals
// the one whose JSON has the larger SHA-256. The other is gone, and no replica
// that held it stays silent: ErrForked names the keys that were lost with it.
// The same is said when a higher generation arrives that lacks keys, or
// revocations of keys, which the copy has and which time has not yet disposed
// of: it comes from another line of rings. It is accepted, as every higher
// generation is.
//
// No revocation gives way. What only the other ring had revoked is revoked in
// the one that stays, as a new generation on top of it, by whichever replica is
// first; until that is written every replica that knows of it keeps to its
// copy. So a burnt key, of whatever purpose, stays dead.
//
// What remains: a generation that nobody else has read yet when Redis loses it
// and its writer's disk is lost too. The message makes that a matter of
// milliseconds.
//
// # Restarts
//
// Config.CopyPath names a file with the newest value that was seen. A process
// that starts goes on from there as if it had never ended: it writes back what
// Redis lost, even if everybody was down at the time, and where Redis does not
// answer it begins with its copy. [Shared.Checked] is then when the copy was
// last known to be the ring (the file's time of change), so that the plan's
// lease bounds how long that lasts. Without the file a fresh process believes
// what Redis holds, and starts with nothing else. A copy that is sealed under
// another master key still says how new the ring must be at least.
//
// To go back or to begin anew on purpose: stop all replicas, remove their copies,
// and start them on the ring that is to be. One copy that is left, of a higher
// generation, would be written back.
package ringredis
