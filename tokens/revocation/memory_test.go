package revocation_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Memory is at most 4 × input + 64 KiB, whatever comes.
func TestMemoryIsBoundedByTheInput(t *testing.T) {
	now := time.Unix(1_772_366_400, 0)
	big := &revocation.Frame{Kind: revocation.Snapshot, Pos: revocation.Position{Epoch: 1}, AsOf: now}
	for i := range 100_000 {
		id := [16]byte{1, byte(i), byte(i >> 8), byte(i >> 16)}
		big.Entries = append(big.Entries, revocation.SessionEntry(id, now, now.Add(time.Hour)))
	}
	frame, err := big.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	spoilt := append([]byte(nil), frame...)
	spoilt[len(spoilt)-25] = 99 // the last entry's type
	inputs := map[string][]byte{
		"a snapshot": frame, "a spoilt snapshot": spoilt, "half of one": frame[:len(frame)/2], "its head": frame[:54],
		"zeros": make([]byte, 1<<20), "dots": []byte(strings.Repeat(".", 1<<20)), "digits": []byte("0123456789abcdef." + strings.Repeat("9", 1<<20) + "-1"),
	}
	for name, data := range inputs {
		limit := uint64(4*len(data) + 64<<10)
		for parser, parse := range map[string]func(){
			"ParseFrame":    func() { _, _ = revocation.ParseFrame(data) },
			"ParsePosition": func() { _, _ = revocation.ParsePosition(string(data)) },
		} {
			if got := allocated(parse); got > limit {
				t.Errorf("%s of %s: %d bytes for an input of %d", parser, name, got, len(data))
			}
		}
	}
}

// allocated is how many bytes do asks for in all, freed or not.
func allocated(do func()) uint64 {
	least := uint64(1 << 62)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
