package ringfile_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/keys/ringfile"
)

// Memory is at most 4 × input + 64 KiB, whatever somebody puts in the file's
// place who has no master key. He may know its name, which stands in the
// header of every ring.
func TestMemoryIsBoundedByTheInput(t *testing.T) {
	master := ringfile.NewMasterKey()
	good, err := ringfile.Seal(newRing(t), master)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(good), ".")
	forged := func(length int) string {
		return strings.Join([]string{parts[0], parts[1], parts[2], strings.Repeat("A", length), parts[4]}, ".")
	}
	for name, text := range map[string]string{
		"nothing":                           "",
		"dots":                              strings.Repeat(".", 1<<20),
		"one part":                          strings.Repeat("A", 1<<20),
		"a long header":                     strings.Repeat("A", 1<<20-100) + "....",
		"a long key":                        parts[0] + "." + strings.Repeat("A", 1<<20-1000) + "...",
		"another header, and much of it":    strings.Repeat("A", 400) + "...." + strings.Repeat("A", 1<<19),
		"line breaks":                       strings.Repeat("\n", 1<<20),
		"a forged ring":                     forged(len(parts[3])),
		"a forged ring, as large as may be": forged(1<<20 - len(good) + len(parts[3]) - 4),
		"a spoilt ring":                     string(bytes.Replace(good, []byte("."+parts[3][:4]), []byte(".AAAA"), 1)),
	} {
		data, limit := []byte(text), uint64(4*len(text)+64<<10)
		if got := allocated(func() { _, _ = ringfile.Unseal(data, master) }); got > limit {
			t.Errorf("%s: %d bytes for an input of %d, %.1f times as much", name, got, len(data), float64(got)/float64(len(data)))
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
