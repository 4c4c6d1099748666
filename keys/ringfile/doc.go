// Package ringfile keeps a key ring on disk: sealed, locked, written
// atomically, and watched, so that every process follows a change without a
// restart.
//
// # The file
//
// One compact JWE (RFC 7516 §7.1) and nothing beside it, not even a newline:
// typ "sealring-ring+jwe", alg A256KW under the [MasterKey] that kid names (RFC
// 7518 §4.4), enc A256GCM. Inside is the JSON of keys.Ring. A change of any
// byte and any truncation are refused. The file must be a regular one, not a
// symbolic link, owned by the user who reads it and by nobody else readable
// (0600 or less); at most 1 MiB. The folder may be reached through symbolic
// links, as Kubernetes makes them: name the file in ..data, and a swap is seen
// by the slow poll at the latest.
//
// # Writing
//
// lock → read → check the generation → temporary file 0600, read back → fsync
// → rename → fsync of the folder → high-water mark. Whoever is killed in
// between leaves the old ring or the new one, never half of one; so does a disk
// that is full or fails. A temporary file that stayed behind goes with the next
// write. Beside RING lie RING.lock, which is only ever locked, and RING.seen,
// which holds the highest generation written.
//
// # Rollback
//
// A generation below the highest that this process has seen, or below the
// mark in RING.seen, is refused (ErrRollback), and the running copy stays. The
// mark is no secret and not sealed: it stops a backup that is restored over
// the ring and an administrator's slip, not somebody who writes the folder as
// the service's own user. To go back on purpose, remove the mark.
package ringfile
