package redisstore

import (
	"testing"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// TestNoRevocationIsLostWhenRedisIsKilled: Redis is killed and comes back
// empty again and again, at once or only after revocations were acknowledged
// without it, and the replicas are killed, every other time together with
// Redis. SEALRING_FULL=1: 600,000 revocations, 25 kills of Redis and 10 of
// replicas.
func TestNoRevocationIsLostWhenRedisIsKilled(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	f := newFleet(t, size(30_000, 600_000), func(c *childSetup) { c.Server = server.Addr() })
	atOnce := func() { server.Restart() }
	later := func() {
		server.Kill9()
		r := f.appenders.acks
		before := r.len() - r.shared()
		f.until("something is acknowledged without Redis", func() bool { return r.len()-r.shared() > before })
		server.Restart()
	}
	var faults []func()
	for i := range size(1, 10) {
		r := f.replicas[i/2%2]
		faults = append(faults, atOnce, func() {
			r.kill()
			if i%2 == 0 { // both
				server.Restart()
			}
			r.start()
		}, later)
	}
	f.run(faults...)
}

// TestNoRevocationIsLostInAFailover: the replication link is cut, revocations
// are acknowledged that the standby never sees, the primary is killed and the
// standby takes over without them; and the replicas are killed in between.
// SEALRING_FULL=1: 400,000 revocations, 10 failovers and 10 kills.
func TestNoRevocationIsLostInAFailover(t *testing.T) {
	t.Parallel()
	s := newCuttable(t)
	f := newFleet(t, size(20_000, 400_000), func(c *childSetup) { c.Sentinel = s.Sentinel.Sentinel.Addr() })
	var faults []func()
	for i := range size(1, 10) {
		faults = append(faults, func() {
			s.cut()
			r := f.appenders.acks
			before := r.shared()
			f.until("the standby lacks something", func() bool { return r.shared() > before })
			s.failOver()
		}, func() {
			f.replicas[i%2].kill()
			f.replicas[i%2].start()
		})
	}
	f.run(faults...)
}
