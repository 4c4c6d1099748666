package datacookie

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

func TestACookieIsGoodForItsAge(t *testing.T) {
	at := time.Now()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, at.Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	g, err := New[int](Config{Name: "count", Ring: func() *keys.Ring { return ring }, MaxAge: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	g.now = func() time.Time { return at }
	sid, w := tokens.NewID(), httptest.NewRecorder()
	if err := g.set(w, sid, []byte("7")); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if c.MaxAge != 600 || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("%+v", c)
	}
	for after, want := range map[time.Duration]int{0: 7, 10*time.Minute - time.Second: 7, 10 * time.Minute: 0} {
		g.now = func() time.Time { return at.Add(after) }
		if got, _, err := g.open(sid, c.Value); err != nil || got != want {
			t.Errorf("after %v: %d %v", after, got, err)
		}
	}
}
