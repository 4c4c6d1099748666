package tokens_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// TestNoEditSurvives tries single edits of every artefact at its own door:
// each byte substituted, each gap filled, each byte deleted, each truncation.
// None may be accepted. In full that is each byte by all 255 others and each
// gap by all 256, over a million edits; every day, a choice of them.
func TestNoEditSurvives(t *testing.T) {
	f := setup(t)
	door := map[string]string{
		"access ES256": "Verify", "access EdDSA": "Verify", "access RS256": "Verify", "session": "OpenSession",
		"refresh": "OpenRefresh", "data": "Open data", "feed": "VerifyBytes feed", "keys": "VerifyBytes keys",
	}
	var tried, accepted atomic.Int64
	for kind, raw := range artefacts(t, f) {
		enter := doors()[door[kind]]
		if err := enter(raw, f.src); err != nil {
			t.Fatalf("%s unedited: %v", kind, err)
		}
		eachPosition(len(raw)+1, func(i int) {
			edits(raw, i, func(what, edited string) {
				if edited == raw { // a byte moved past its like
					return
				}
				tried.Add(1)
				if err := enter(edited, f.src); err == nil {
					accepted.Add(1)
					t.Errorf("%s: accepted with %s at %d", kind, what, i)
				}
			})
		})
	}
	t.Logf("%d edits, %d accepted", tried.Load(), accepted.Load())
	if least := int64(100_000); tried.Load() < least || full && tried.Load() < 10*least {
		t.Errorf("only %d edits were tried", tried.Load())
	}
}

// eachPosition spreads the positions over the processors.
func eachPosition(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// edits makes the edits of raw at i.
func edits(raw string, i int, try func(what, edited string)) {
	for _, c := range insertions(i) {
		try("insertion", raw[:i]+string([]byte{c})+raw[i:])
	}
	if i == len(raw) {
		return
	}
	for _, c := range substitutes(raw[i], i) {
		try("substitution", raw[:i]+string([]byte{c})+raw[i+1:])
	}
	try("deletion", raw[:i]+raw[i+1:])
	try("truncation", raw[:i])
}

// Bytes of no use in base64url, chosen for what decoders do to them.
const odd = "\r\n\t =.\x00+/,;:{}\"%&~\x7f\x80\xc2\xff"

func insertions(i int) []byte {
	if full {
		return everyByte()
	}
	return append([]byte(odd), alphabet[i%64])
}

// substitutes are few every day: among them the neighbour in the alphabet,
// which in a last character changes nothing but spare bits.
func substitutes(c byte, i int) []byte {
	if full {
		return everyByte()
	}
	out := append([]byte(odd), alphabet[(i*7+13)%64])
	for v := range len(alphabet) {
		if alphabet[v] == c {
			out = append(out, alphabet[v^1])
		}
	}
	return append(out, c^0x20) // the other case
}

func everyByte() []byte {
	out := make([]byte, 256)
	for i := range out {
		out[i] = byte(i)
	}
	return out
}
