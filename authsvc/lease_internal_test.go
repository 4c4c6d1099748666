package authsvc

import (
	"testing"
	"time"
)

// A heartbeat says that the key set told last is still the one, so it needs
// the lease as much as the key set itself.
func TestBeyondTheLeaseTheFeedsHeartStops(t *testing.T) {
	h := offline(t, still{}).hub
	lease := h.ring.Load().Plan().Lease
	for _, tc := range []struct {
		name  string
		ago   time.Duration
		beats uint64
	}{
		{"never asked", 0, 1},
		{"just within it", lease - time.Second, 1},
		{"beyond it", lease + time.Second, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.ago > 0 {
				h.heard = func() time.Time { return time.Now().Add(-tc.ago) }
			}
			before := h.view.Load().beatNo
			h.locked(h.beat)
			if n := h.view.Load().beatNo - before; n != tc.beats {
				t.Errorf("%d heartbeats, want %d", n, tc.beats)
			}
		})
	}
}
