package middleware

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// setTrust has the keys in a set, as a follower has; a localTrust has a ring.
type setTrust struct {
	*localTrust
	set *keys.Set
}

func (s setTrust) Key(kid string, p keys.Purpose, now time.Time) (keys.Key, error) {
	return s.set.Key(kid, p, now)
}

func (s setTrust) Holds(kid string, p keys.Purpose, _ time.Time) bool { return s.set.Has(kid, p) }

// manyEntries is a list of n entries on nobody: sessions, tokens, subjects and
// clients alike.
func manyEntries(n int) *revocation.List {
	now := time.Now()
	es := make([]revocation.Entry, n)
	for i := range es {
		es[i] = revocation.Entry{Type: revocation.Type(1 + i%4), T: uint32(now.Unix()), Exp: uint32(now.Add(time.Hour).Unix())}
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		copy(es[i].ID[:], sum[:])
	}
	l := revocation.NewList()
	l.Apply(now, es...)
	return l
}

// hot is a guard that has verified n tokens, each of a session of its own, among
// a million revocations.
type hot struct {
	trust   setTrust
	guard   *Guard
	headers []string
	tokens  [][]byte
}

func newHot(tb testing.TB, n int) *hot {
	tb.Helper()
	l := newLocalTrust(tb)
	l.list = manyEntries(1_000_000)
	h := &hot{trust: setTrust{l, l.ring.PublicSet(time.Now())}}
	h.guard = localGuard(tb, h.trust, nil)
	k, err := l.ring.Current(keys.AccessToken, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	r := h.request()
	for i := range n {
		c := l.claims()
		c.Subject, c.Scope, c.Roles = fmt.Sprint("subject-", i), []string{"orders:read", "orders:write"}, []string{"clerk"}
		c.ExpiresAt = c.ExpiresAt.Add(time.Hour)
		raw, err := tokens.Sign(c, k)
		if err != nil {
			tb.Fatal(err)
		}
		h.headers = append(h.headers, "Bearer "+raw)
		h.tokens = append(h.tokens, []byte(raw))
		h.decide(tb, r, i)
	}
	return h
}

// request has no token yet: decide puts one into it, as a server that has read
// one from a connection.
func (h *hot) request() *http.Request {
	return &http.Request{Method: http.MethodGet, Header: http.Header{
		"Authorization": {""}, "Accept": {"*/*"}, "User-Agent": {"test"}, "Accept-Encoding": {"gzip"}}}
}

// decide is the whole decision on a request with the i-th token.
func (h *hot) decide(tb testing.TB, r *http.Request, i int) {
	r.Header["Authorization"][0] = h.headers[i%len(h.headers)]
	if _, _, err := h.guard.decide(r, time.Now()); err != nil {
		tb.Fatal(err)
	}
}

// turns takes turns with what is to be compared, and knows the fastest of many
// short ones of each, which a busy machine does not lengthen.
type turns []float64 // nanoseconds for each time

func (t turns) take(n int, do ...func(i int)) {
	for k, f := range do {
		start := time.Now()
		for i := range n {
			f(i)
		}
		if d := float64(time.Since(start).Nanoseconds()) / float64(n); t[k] == 0 || d < t[k] {
			t[k] = d
		}
	}
}

const perTurn = 1000

// What a request costs whose token was seen before: the header, the cache, the
// clock, the key, the revocations; of-sha256 is that over one SHA-256 of the
// token. With look-ups the list has changed since it was seen, so that the token
// is looked for in it four times, among 1,000,000 entries.
func BenchmarkHot(b *testing.B) {
	for _, n := range []int{1_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkHot(b, newHot(b, n)) })
	}
}

func benchmarkHot(b *testing.B, h *hot) {
	r, t := h.request(), make(turns, 3)
	var seen []*verified
	for _, raw := range h.tokens {
		seen = append(seen, h.guard.seen.find(credential{value: string(raw)}))
	}
	at := 0
	for b.Loop() {
		t.take(perTurn,
			func(i int) { h.decide(b, r, at+i) },
			func(i int) {
				seen[(at+i)%len(seen)].clean.Store(0)
				h.decide(b, r, at+i)
			},
			func(i int) { sha256.Sum256(h.tokens[(at+i)%len(h.tokens)]) })
		at += perTurn
	}
	b.ReportMetric(t[0], "ns/decision")
	b.ReportMetric(t[0]/t[2], "of-sha256")
	b.ReportMetric(t[1], "ns/with-look-ups")
	b.ReportMetric(t[1]/t[2], "of-sha256-with-look-ups")
}

// of-one-core is how many decisions all cores make over those of one.
func BenchmarkHotOnAllCores(b *testing.B) {
	h := newHot(b, 1000)
	cores := runtime.GOMAXPROCS(0)
	one, all := 0.0, 0.0
	for b.Loop() {
		one = max(one, h.rate(b, 1))
		all = max(all, h.rate(b, cores))
	}
	b.ReportMetric(all/one, "of-one-core")
}

// rate is how many decisions a nanosecond so many goroutines make.
func (h *hot) rate(tb testing.TB, cores int) float64 {
	const each = 20_000
	var done sync.WaitGroup
	start := time.Now()
	for core := range cores {
		done.Go(func() {
			r := h.request()
			for i := range each {
				h.decide(tb, r, i+core*len(h.headers)/cores)
			}
		})
	}
	done.Wait()
	return float64(cores*each) / float64(time.Since(start).Nanoseconds())
}
