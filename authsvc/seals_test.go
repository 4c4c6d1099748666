package authsvc_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
)

// counted makes a world whose ring is kept, and whose sealing keys wear out
// soon: see LimitSeals.
func counted(t *testing.T, due, most, block uint64) (w *world, ring func() *keys.Ring) {
	t.Helper()
	var mu sync.Mutex
	var now *keys.Ring
	w = &world{t: t, before: func(svc *authsvc.Service) { svc.LimitSeals(due, most, block) }}
	buildWorld(w, func(c *authsvc.Config) {
		now = c.Ring
		c.ChangeRing = func(_ context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error) {
			mu.Lock()
			defer mu.Unlock()
			if w.svc == nil {
				return now, nil // before keys wear out soon
			}
			next, err := plan(now)
			if err == nil && next != now {
				now = next
				w.svc.SetRing(next) // as the watch of a file would
			}
			return next, err
		}
	})
	return w, func() *keys.Ring {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
}

func TestAKeyThatIsUsedUpSealsNothingMore(t *testing.T) {
	w, ring := counted(t, 1000, 8, 2)
	w.login()
	w.login()
	w.unwarned()
	w.login()
	w.warnedSoon("seals-low") // one of three is left here, and so a third block was taken
	w.login()
	w.login()
	w.warnedSoon("seals-spent") // and a fourth, of which two are left
	w.login()
	last := w.login()
	presents := w.store.presents.Load()
	// One is left, and a refresh needs two: one to see that its answer fits.
	w.refresh(last.str(t, "refresh_token")).want(t, 503, "unavailable")
	if n := w.store.presents.Load(); n != presents {
		t.Errorf("%d refresh tokens were spent for nothing", n-presents)
	}
	w.post("/v1/login", `{"username":"ann","password":"`+password+`"}`).want(t, 503, "unavailable")
	w.warnedSoon("seals-spent")
	w.get("/v1/session", withBearer(last.str(t, "access_token"))).want(t, 200, "") // it still judges
	k, err := ring().Current(keys.RefreshToken, time.Now())
	must(t, err)
	if k.Seals != 8 {
		t.Errorf("counted %d", k.Seals)
	}
	cookie, err := ring().Current(keys.SessionCookie, time.Now())
	must(t, err)
	if cookie.Seals != 2 {
		t.Errorf("of a key that has sealed nothing %d are counted, want the first block", cookie.Seals)
	}
	listed := w.get(w.admin+"/admin/v1/keys", withBearer(adminToken)).want(t, 200, "").json(t)
	for _, v := range listed["keys"].([]any) {
		if v := v.(map[string]any); v["seals"] != map[any]any{k.ID: 8.0, cookie.ID: 2.0}[v["kid"]] {
			t.Errorf("listed as %v", v)
		}
	}
	if listed["max_seals"] != 8.0 {
		t.Errorf("max_seals is %v", listed["max_seals"])
	}
}

// warnedSoon waits for the one warning: blocks are taken in the background.
func (w *world) warnedSoon(code string) {
	w.t.Helper()
	w.eventually(code, func() bool {
		all, _ := w.get(w.admin+"/readyz").want(w.t, 200, "").json(w.t)["warnings"].([]any)
		return len(all) == 1 && all[0].(map[string]any)["code"] == code
	})
}

func TestAKeyThatHasSealedMuchIsReplacedByItsStandby(t *testing.T) {
	w, ring := counted(t, 20, 1000, 4)
	first, err := ring().Current(keys.SessionCookie, time.Now())
	must(t, err)
	old := w.loginCookie()
	for range 30 {
		w.loginCookie()
	}
	second, err := ring().Current(keys.SessionCookie, time.Now())
	must(t, err)
	if second.ID == first.ID {
		t.Fatal("the key was not replaced")
	}
	if n := ring().Seals(first.ID); n < 20 || n > 28 {
		t.Errorf("replaced after %d seals, want 20 or a block more", n)
	}
	w.get("/v1/session", withCookies(old.cookies...)).want(t, 200, "") // what it has sealed is as good as before
	w.post("/v1/refresh", "", withCookies(old.cookies...)).want(t, 200, "")
	w.unwarned()
}

func TestASealedAnswerIsCountedOnceForEachSeal(t *testing.T) {
	w, ring := counted(t, 1000, 1000, 1)
	var made struct{ rt, cookie uint64 }
	for range 10 {
		w.login() // seals a refresh token
		w.loginCookie()
		made.rt, made.cookie = made.rt+2, made.cookie+1
		for _, k := range ring().Keys() {
			want, ok := map[keys.Purpose]uint64{keys.RefreshToken: made.rt, keys.SessionCookie: made.cookie}[k.Purpose]
			if !ok || k.Seals == 0 { // a standby
				continue
			}
			if k.Seals < want || k.Seals > want+2 { // what is fetched ahead, now or a moment later
				t.Errorf("%d values are sealed, and %d counted, of %v", want, k.Seals, k.Purpose)
			}
		}
	}
}
