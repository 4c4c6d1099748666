package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// idOf is what entry i of a batch revokes.
func idOf(batch, i int) tokens.ID {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(batch))
	binary.BigEndian.PutUint64(b[8:], uint64(i))
	sum := sha256.Sum256(b[:])
	return tokens.ID(sum[:16])
}

// typeOf is what a batch revokes: sessions, which have tombstones in Redis
// too, or tokens.
func typeOf(batch int) revocation.Type {
	if batch%10 == 0 {
		return revocation.Session
	}
	return revocation.Token
}

// acks is what was acknowledged, in that order.
type acks struct {
	size int // entries of a batch
	mu   sync.Mutex
	all  []acknowledged
}

type acknowledged struct {
	batch  int
	at     time.Time // when the answer came
	shared bool
}

func (h *acks) add(a acknowledged) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, a)
}

func (h *acks) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

func (h *acks) at(i int) acknowledged {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[i]
}

// shared counts the batches that were acknowledged as shared.
func (h *acks) shared() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.all {
		if a.shared {
			n++
		}
	}
	return n
}

// appenders revoke one batch after the other, each until it is acknowledged,
// but no more of them than they may so far.
type appenders struct {
	acks     *acks
	replicas []*process
	total    int
	may      atomic.Int64
	next     atomic.Int64
	stop     atomic.Bool
	running  sync.WaitGroup
}

func (a *appenders) start(n int) {
	for range n {
		a.running.Go(func() {
			for {
				b := int(a.next.Add(1) - 1)
				if b >= a.total {
					return
				}
				for int64(b) >= a.may.Load() { // paced by the faults
					if a.stop.Load() {
						return
					}
					time.Sleep(time.Millisecond)
				}
				a.revoke(b)
			}
		})
	}
}

func (a *appenders) revoke(b int) {
	body := make([]byte, 0, 17*a.acks.size)
	for i := range a.acks.size {
		id := idOf(b, i)
		body = append(append(body, byte(typeOf(b))), id[:]...)
	}
	for !a.stop.Load() {
		acked, shared := a.replicas[rand.N(len(a.replicas))].append(body)
		if acked {
			a.acks.add(acknowledged{b, time.Now(), shared})
			return
		}
		time.Sleep(time.Millisecond) // it was killed
	}
}
