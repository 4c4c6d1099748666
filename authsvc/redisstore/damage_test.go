package redisstore

import (
	"testing"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Whatever else stands in the log is passed over, and what is beside it is
// read; both by who follows the log and by who reads it for the first time.
func TestDamageInTheLogIsPassedOver(t *testing.T) {
	t.Parallel()
	good := fresh()
	unknown, none := good, good
	unknown.Type, none.ID = 99, [16]byte{}
	for name, c := range map[string]struct {
		fields []any
		reads  bool
	}{
		"foreign fields":          {[]any{"hello", "world"}, false},
		"other fields beside":     {[]any{"n", "12345678", "o", "12345678", "e", blob([]revocation.Entry{good}), "f", "x"}, false},
		"no nonce":                {[]any{"n", "", "o", "", "e", blob([]revocation.Entry{good})}, true},
		"a blob of odd length":    {[]any{"n", "12345678", "o", "12345678", "e", append(blob([]revocation.Entry{good}), 1, 2, 3)}, true},
		"an unknown type":         {[]any{"n", "12345678", "o", "12345678", "e", blob([]revocation.Entry{unknown, good})}, true},
		"an id that can not be":   {[]any{"n", "12345678", "o", "12345678", "e", blob([]revocation.Entry{none, good})}, true},
		"an entry that has ended": {[]any{"n", "12345678", "o", "12345678", "e", blob([]revocation.Entry{ended()})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			a := shared(t, server)
			w := a.watch()
			server.Do(append([]any{"XADD", "sr:{shared}:rl", "*"}, c.fields...)...)
			x := fresh()
			a.must(x)
			b := shared(t, server)
			y := fresh()
			b.must(y)
			eventually(t, "the log goes on", func() bool { return w.has(x, y) && b.knows(x, y) })
			for name, r := range map[string]*replica{"follows": a, "begins": b} {
				if r.knows(good) != c.reads {
					t.Errorf("who %s knows what stands beside it: %v", name, r.knows(good))
				}
				if r.logged.count("does not answer") > 0 {
					t.Errorf("who %s takes Redis for away:\n%s", name, r.logged)
				}
			}
			w.check(t)
		})
	}
}

func ended() revocation.Entry {
	e := fresh()
	e.T, e.Made, e.Exp = e.T-100, e.T-100, e.T-50
	return e
}

func TestDamageIsLogged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := shared(t, server)
	server.Do("XADD", "sr:{shared}:rl", "*", "hello", "world")
	a.must(fresh())
	if n := a.logged.count("passed over"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, a.logged)
	}
}

// An epoch that nobody can read is replaced as one that is gone.
func TestAnUnreadableEpochIsReplaced(t *testing.T) {
	t.Parallel()
	for _, epoch := range []string{"x", "0000000000000000:1", "0123456789abcdef", "0123456789abcdef:x", "123:1"} {
		t.Run(epoch, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			a := shared(t, server)
			w := a.watch()
			x := fresh()
			a.must(x)
			server.Do("SET", "sr:{shared}:re", epoch)
			eventually(t, "a new epoch", func() bool { return w.rebases() == 1 && a.settled() })
			a.must(fresh())
			if held := parseEra(server.Do("GET", "sr:{shared}:re").(string)); held.id != w.at().Epoch || !holds(t, server, x) {
				t.Errorf("epoch %q in Redis, the follower is at %v", held.text, w.at())
			}
			w.check(t)
		})
	}
}
