package ringredis_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

func TestEveryChangedByteIsRefused(t *testing.T) {
	r := furnish(t)
	good := r.value(t)
	for i := 0; i < len(good); i += 1 + i/12 { // each of the first, then fewer
		for _, bit := range []byte{1, 4, 64} {
			bad := []byte(good)
			bad[i] ^= bit
			refused(t, r, string(bad))
		}
	}
	for _, bad := range []string{
		good[:len(good)-1], good[1:], good[2:], good + "\n", " " + good, "0" + good, "+" + good, ":" + good, "1:", "1", ":",
		"2" + good[1:], "1 " + good[1:], strings.Repeat("9", 30) + good[1:], good + ":" + good,
	} {
		refused(t, r, bad)
	}
	r.server.Do("SET", key, good)
	open(t, r.cfg)
}

func refused(t *testing.T, r room, value string) {
	t.Helper()
	r.server.Do("SET", key, value)
	_, err := ringredis.Open(t.Context(), r.cfg)
	if !errors.Is(err, ringfile.ErrDamaged) && !errors.Is(err, ringfile.ErrMasterKey) {
		t.Errorf("%.12q…: %v", value, err)
	} else if len(err.Error()) > 300 {
		t.Errorf("the message is long: %v", err)
	}
}

func TestAValueThatDoesNotOpenIsLeftAloneAndToldOnce(t *testing.T) {
	r := furnish(t)
	s := open(t, r.cfg)
	want := update(t, s, rotate)
	good := r.value(t)
	w := watch(t, s)
	foreign, err := ringfile.SealFor("test", newRing(t), ringfile.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		set  []any
		want error
	}{
		{"changed", []any{"SET", key, good[:len(good)-1]}, ringfile.ErrDamaged},
		{"another generation outside", []any{"SET", key, "9" + good[1:]}, ringfile.ErrDamaged},
		{"of another master key", []any{"SET", key, "1:" + string(foreign)}, ringfile.ErrMasterKey},
		{"too long", []any{"SETRANGE", key, 21 + ringfile.MaxBytes, "x"}, ringfile.ErrDamaged},
	} {
		r.server.Do(c.set...)
		spoilt := r.value(t)
		w.fault(t, c.want)
		for range 3 {
			if _, err := s.Update(t.Context(), change); !errors.Is(err, c.want) {
				t.Errorf("%s: Update: %v", c.name, err)
			}
			if err := s.Rewrap(t.Context()); !errors.Is(err, c.want) {
				t.Errorf("%s: Rewrap: %v", c.name, err)
			}
		}
		if s.Ring() != want || r.value(t) != spoilt {
			t.Errorf("%s: the copy or the value changed", c.name)
		}
		w.silent(t)
	}
	r.server.Do("EVAL", "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[1], 'a', 'b')", 1, key)
	w.fault(t, ringfile.ErrDamaged, "something else than a string")
	r.server.Do("DEL", key) // the way out
	w.fault(t, ringredis.ErrLost)
	if got := open(t, r.other(t)).Ring(); !same(t, got, want) {
		t.Errorf("in Redis: %v", got)
	}
	w.calm(t, s)
}

func TestOfAHugeValueOnlyTheBeginningIsFetched(t *testing.T) {
	r := furnish(t)
	s := open(t, r.cfg)
	r.server.Do("SETRANGE", key, 50<<20, "x")
	before := sent(t, r)
	if _, err := s.Update(t.Context(), change); !errors.Is(err, ringfile.ErrDamaged) {
		t.Errorf("Update: %v", err)
	}
	if n := sent(t, r) - before; n > 2*ringfile.MaxBytes {
		t.Errorf("%d bytes were fetched", n)
	}
}

// sent is how many bytes Redis has sent so far.
func sent(t *testing.T, r room) int {
	t.Helper()
	_, after, _ := strings.Cut(r.server.Do("INFO", "stats").(string), "total_net_output_bytes:")
	digits, _, _ := strings.Cut(after, "\r")
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestARingOpensInItsOwnNamespaceAlone(t *testing.T) {
	r := furnish(t)
	cfg := r.other(t)
	cfg.Namespace = "test2"
	create(t, cfg, newRing(t)) // beside the first
	if g := update(t, open(t, cfg), change).Generation(); g != 2 {
		t.Fatal(g)
	}
	s := open(t, cfg)
	w := watch(t, s)
	r.server.Do("SET", "sr:{test2}:ks", r.value(t))
	w.fault(t, ringfile.ErrNamespace, `"test"`, `"test2"`)
	if _, err := ringredis.Open(t.Context(), cfg); !errors.Is(err, ringfile.ErrNamespace) {
		t.Errorf("moved: %v", err)
	}
	file, err := ringfile.Seal(newRing(t), cfg.Master)
	if err != nil {
		t.Fatal(err)
	}
	r.server.Do("SET", "sr:{test2}:ks", "1:"+string(file))
	if _, err := ringredis.Open(t.Context(), cfg); !errors.Is(err, ringfile.ErrNamespace) {
		t.Errorf("a file's: %v", err)
	}
	if _, err := s.Update(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { t.Error("planned"); return r, nil }); !errors.Is(err, ringfile.ErrNamespace) {
		t.Errorf("Update: %v", err)
	}
}
