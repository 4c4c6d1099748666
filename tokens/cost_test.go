package tokens_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// hostile has what an attacker would send to keep us busy. Each has as long a
// header, or as many bytes to look at, as its door lets him get away with.
func hostile(f *fixture) map[string]string {
	kid := `"kid":"` + f.es.ID + `"`
	tail := "." + b64(`{"sub":"x"}`) + "." + strings.Repeat("A", 86)
	head := func(doc string, n int) string { return b64(doc + strings.Repeat(" ", max(0, n-len(doc)))) }
	const longest = 384 // bytes of a header that the cap lets through
	return map[string]string{
		"32 KiB of header":              head(`{"alg":"ES256",`+kid+`,"typ":"at+jwt"}`, 32<<10) + tail,
		"32 KiB of members":             head(`{`+strings.Repeat(`"a":"b",`, 4000)+`}`, 0) + tail,
		"32 KiB of brackets":            head(strings.Repeat("[", 32<<10), 0) + tail,
		"32 KiB of dots":                strings.Repeat(".", 32<<10),
		"32 KiB of one part":            strings.Repeat("A", 32<<10),
		"the longest header":            head(`{"alg":"ES256",`+kid+`,"typ":"at+jwt"}`, longest) + tail,
		"the longest header of escapes": head(`{"alg":"`+strings.Repeat(`\u0041`, 50), longest) + tail,
		"duplicates":                    head(`{`+strings.Repeat(`"alg":"ES256",`, 20)+`}`, longest) + tail,
		"a kid that nobody knows, and a payload that fills the cap": b64(`{"alg":"ES256","kid":"x","typ":"at+jwt"}`) +
			"." + strings.Repeat("A", 8000) + "." + strings.Repeat("A", 86),
		"a sealed value that fills the cap": b64(`{"alg":"dir","enc":"A256GCM","kid":"x","typ":"session+jwe"}`) +
			".." + strings.Repeat("A", 16) + "." + strings.Repeat("A", 8000) + "." + strings.Repeat("A", 22),
	}
}

// A hostile header costs at most 4 allocations, and less than the one thing
// that every honest token costs: a bare signature check, in the same run.
// BenchmarkHostileHeader has the figures.
func TestAHostileHeaderCostsNextToNothing(t *testing.T) {
	f := setup(t)
	digest := sha256.Sum256([]byte("rival"))
	sig := must[[]byte](t)(ecdsa.SignASN1(rand.Reader, f.es.Signer().(*ecdsa.PrivateKey), digest[:]))
	rival := fastest(func() { ecdsa.VerifyASN1(f.es.Public().(*ecdsa.PublicKey), digest[:], sig) })
	var src keys.Source = f.src
	for name, raw := range hostile(f) {
		for door, enter := range doors() {
			err := enter(raw, src)
			if err == nil {
				t.Errorf("%s at %s: accepted", name, door)
			}
			if reasonOf(err) == tokens.BadSignature {
				continue // the form was right: that costs a signature, not a header
			}
			if n := testing.AllocsPerRun(20, func() { _ = enter(raw, src) }); n > 4 && reasonOf(err) != tokens.BadClaims {
				t.Errorf("%s at %s: %v allocations", name, door, n)
			}
			if d := fastest(func() { _ = enter(raw, src) }); d > rival {
				t.Errorf("%s at %s: %v, more than the %v of a signature check", name, door, d, rival)
			}
		}
	}
}

// fastest is the shortest time of many, which a busy machine does not lengthen.
func fastest(do func()) time.Duration {
	best := time.Hour
	for range 200 {
		start := time.Now()
		do()
		best = min(best, time.Since(start))
	}
	return best
}

// Memory is at most 4 × input + 64 KiB, whatever comes.
func TestMemoryIsBoundedByTheInput(t *testing.T) {
	f := setup(t)
	inputs := artefacts(t, f)
	for name, raw := range hostile(f) {
		inputs[name] = raw
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	inputs["a snapshot"] = must[string](t)(tokens.SignBytes(tokens.TypFeed, big, f.feed))
	inputs["a forged snapshot"] = inputs["a snapshot"][:len(inputs["a snapshot"])-4] + "AAAA"
	wide := strings.Repeat(`"a":0,`, 1<<20)
	inputs["dots to the cap"] = strings.Repeat(".", 8<<10)
	inputs["a header of megabytes"] = b64(`{`+wide+`"b":0}`) + ".e30."
	inputs["a payload of megabytes"] = b64(`{"alg":"none","typ":"sealring-feed+jws","kid":"x"}`) + "." + b64(`{`+wide+`"b":0}`) + "."
	inputs["claims that fill the cap"] = craft(t, header(f.es), `{"x":[`+strings.Repeat(`{"":[]},`, 700)+`0]}`, f.es.Signer(), "ES256")
	ways := doors()
	ways["Explain"] = func(raw string, src keys.Source) error { _ = tokens.Explain(raw, src, orders(), noon); return nil }
	ways["InspectUnverified"] = func(raw string, _ keys.Source) error { _, err := tokens.InspectUnverified(raw); return err }
	ways["ParseID"] = func(raw string, _ keys.Source) error { _, err := tokens.ParseID(raw); return err }
	for name, raw := range inputs {
		for door, enter := range ways {
			limit := uint64(4*len(raw) + 64<<10)
			if got := allocated(3, func() { _ = enter(raw, f.src) }); got > limit {
				t.Errorf("%s at %s: %d bytes for an input of %d", name, door, got, len(raw))
			}
		}
	}
}

// allocated is how many bytes do asks for, freed or not: the least of so many times.
func allocated(times int, do func()) uint64 {
	least := uint64(1 << 62)
	for range times {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
