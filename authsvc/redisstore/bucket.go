package redisstore

import (
	"encoding/binary"
	"strconv"

	"github.com/sealring-dev/sealring/tokens"
)

// DefaultSessions is that of LogConfig.
const DefaultSessions = 1_000_000

const (
	// perBucket is how many sessions share a bucket, on average, when there are
	// as many as was said. Redis keeps a hash of at most 128 fields as one block
	// of memory. Of a larger one it keeps each field by itself, in twice the
	// memory; and what a bucket takes beside its fields weighs more the fewer
	// they are.
	perBucket = 64
	// retryBytes are kept of a retry hash: with one more, the only session of a
	// bucket would take the next size of memory that there is.
	retryBytes = 7
)

// bucketsFor is the number of buckets for so many sessions.
func bucketsFor(sessions uint64) uint32 {
	return uint32(max(1, min(sessions/perBucket, 1<<31)))
}

// bucketKey is the hash that holds the state of a session, among so many. The
// first bytes of the random session id decide.
func bucketKey(sid tokens.ID, buckets uint32) string {
	n := uint64(binary.BigEndian.Uint32(sid[:])) * uint64(buckets) >> 32
	return "sr:b:" + strconv.FormatUint(n, 10)
}

// bucketField is the session within its bucket: the other 96 bits of its id. Of
// 10^9 sessions two would meet once in 10^18 times.
func bucketField(sid tokens.ID) string { return string(sid[4:]) }
