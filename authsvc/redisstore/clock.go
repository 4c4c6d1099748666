package redisstore

import (
	"sync/atomic"
	"time"
)

// clock knows what time it is in Redis, from the last answer. It is never
// ahead, and behind by no more than that answer took to arrive; unless the
// next answer comes from a server with another clock.
type clock struct{ last atomic.Pointer[reading] }

type reading struct {
	redis int64 // Unix milliseconds
	at    time.Time
}

func (c *clock) set(ms int64) { c.last.Store(&reading{ms, time.Now()}) }

// in tells what time it will be in Redis after d, in Unix milliseconds; 0
// before the first answer.
func (c *clock) in(d time.Duration) int64 {
	r := c.last.Load()
	if r == nil {
		return 0
	}
	return r.redis + (time.Since(r.at) + d).Milliseconds()
}
