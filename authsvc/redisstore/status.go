package redisstore

import (
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// AsOf implements authsvc.Log: when the last reading began that came to the
// end of the log in Redis.
func (l *Log) AsOf() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asOf
}

// Complete returns since when this replica knows every revocation there was:
// the birth of the log that it joined first, whatever Redis has forgotten
// later. A token that is older may have been revoked by somebody whom nobody
// remembers. Zero, and false, before Redis was reached.
func (l *Log) Complete() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, !l.since.IsZero()
}

// Skew returns how far the clock here was ahead of that of Redis at the last
// turn, give or take half of its round trip.
func (l *Log) Skew() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.skew
}

// Away reports whether Redis does not answer, or has not been read yet.
func (l *Log) Away() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.away:
		return true
	default:
		return l.since.IsZero()
	}
}

// Buckets returns in how many buckets the refresh states are, for all replicas;
// 0 before Redis was reached.
func (l *Log) Buckets() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.era.buckets
}

// Sessions returns the refresh states in the same Redis. What the log knows of
// Redis they need not find out: that it is away, where in it the states are,
// and since when no revocation is unknown here, whatever Redis has forgotten.
func (l *Log) Sessions() (*Sessions, error) {
	complete := func(tokens.ID) time.Time {
		since, _ := l.Complete() // known, or it is away
		return since
	}
	return NewSessions(Config{Client: l.stream.client, Born: complete, AdoptLost: l.adopt, Buckets: l.Buckets, Away: l.Away})
}

// Data is that of the sessions in the Redis of the log.
func (l *Log) Data() (*Data, error) { return NewData(Config{Client: l.stream.client, Away: l.Away}) }
