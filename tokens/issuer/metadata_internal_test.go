package issuer

import (
	"net/url"
	"runtime"
	"strings"
	"testing"
)

// Memory is at most 4 × input + 64 KiB, whatever an issuer answers.
func TestMetadataNeedsNoMoreMemoryThanItsSize(t *testing.T) {
	base, err := url.Parse("https://auth.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string]string{
		"brackets":         strings.Repeat("[", 60<<10),
		"brackets to 9000": `{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		"braces":           strings.Repeat(`{"a":`, 12<<10),
		"many members":     `{` + strings.Repeat(`"issuer":"",`, 5000) + `"x":0}`,
		"many lists":       `{"x":[[]` + strings.Repeat(",[]", 20000) + `]}`,
		"a long issuer":    `{"issuer":"` + strings.Repeat("A", 60<<10) + `"}`,
		"escapes":          `{"issuer":"` + strings.Repeat(`\u0041`, 10<<10) + `"}`,
		"feeds":            `{` + strings.Repeat(`"sealring_feed":{"uri":"x"},`, 2000) + `"x":0}`,
	} {
		limit := uint64(4*len(doc) + 64<<10)
		if got := allocated(func() { _, _ = parseMetadata([]byte(doc), "https://auth.example.com", place{issuer: base, base: base}) }); got > limit {
			t.Errorf("%s: %d bytes for an input of %d", name, got, len(doc))
		}
	}
}

func TestMetadataMayNestAsDeepAsAnybodysDoes(t *testing.T) {
	base, err := url.Parse("https://auth.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for n, ok := range map[int]bool{1: true, 15: true, 16: false} {
		doc := `{"issuer":"https://auth.example.com","jwks_uri":"https://auth.example.com/jwks","note":"[[[[\"[[[[[[[[[[[[[[[[","x":` +
			strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
		if _, err := parseMetadata([]byte(doc), "https://auth.example.com", place{issuer: base, base: base}); (err == nil) != ok {
			t.Errorf("%d lists in the document: %v", n, err)
		}
	}
}

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
