// Package boltstore is the embedded store of the auth service: revocations,
// refresh states and the data of sessions in one file, and the journal of a
// service that shares its state through something else. It implements
// [authsvc.Log], [authsvc.Sessions] and [authsvc.Data] on bbolt.
//
// Everything that changes the file goes through one goroutine, which takes
// all that wait, runs them in one transaction, syncs the file once, delivers
// the new entries to the followers and only then answers. So many writers
// share one fsync, and the first after a quiet time leaves at once. What
// changes nothing is answered from a read transaction beside it.
//
// The file holds five buckets, all numbers big-endian, each value followed by
// the CRC-32C of key and value, because bbolt does not check its pages:
//
//	meta     format, epoch, born, last      what the file is, its newest cursor
//	entries  type, id -> T, Made, Exp, cursor   one merged entry for each target
//	log      cursor -> type, id             the order they were last raised in
//	refresh  sid -> generation, times, retry hash, end of the session
//	data     sid, name -> end of the session, a cell of its data
//
// A target is in the log once, at its newest cursor: whoever was away since
// some cursor needs just what stands behind it. A session entry is the
// session's tombstone; there is no other.
package boltstore
