package datacookie_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/middleware/datacookie"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/budget"
)

type cart struct {
	Items map[string]string `json:"items,omitempty"`
}

type filter struct {
	Words string `json:"words"`
}

// shop is an application behind a guard, with two groups.
type shop struct {
	t      testing.TB
	issuer *authtest.Issuer
	guard  *middleware.Guard
	ring   *keys.Ring
	cart   *datacookie.Group[cart]
	filter *datacookie.Group[filter]
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{t: t, issuer: authtest.New(t), ring: newRing(t)}
	var err error
	s.guard, err = middleware.New(t.Context(), middleware.Config{Issuer: s.issuer.URL, Audience: s.issuer.Audience,
		Client: middleware.Client{ID: s.issuer.ClientID, Secret: s.issuer.ClientSecret}})
	must(t, err)
	t.Cleanup(s.guard.Close)
	for deadline := time.Now().Add(10 * time.Second); !s.guard.Ready(); {
		if time.Now().After(deadline) {
			t.Fatal("the guard does not become ready")
		}
		time.Sleep(time.Millisecond)
	}
	s.cart, s.filter = group[cart](t, "cart", &s.ring), group[filter](t, "filter", &s.ring)
	return s
}

func newRing(t testing.TB) *keys.Ring {
	t.Helper()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.EdDSA, time.Now().Add(-time.Second))
	must(t, err)
	return ring
}

func group[T any](t testing.TB, name string, ring **keys.Ring) *datacookie.Group[T] {
	t.Helper()
	g, err := datacookie.New[T](datacookie.Config{Name: name, Ring: func() *keys.Ring { return *ring }})
	must(t, err)
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// jar is what a browser keeps: of each cookie what came last.
type jar map[string]string

func (j jar) take(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if j[c.Name] = c.Value; c.MaxAge < 0 {
			delete(j, c.Name)
		}
	}
}

// serve runs a handler behind the guard, with the cookies of a jar as they are
// now. The answer is still on its way.
func (s *shop) serve(token string, j jar, handle func(http.ResponseWriter, *http.Request)) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest("POST", "/", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w, served := httptest.NewRecorder(), false
	s.guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served = true; handle(w, r) })).ServeHTTP(w, r)
	if !served {
		s.t.Fatalf("the guard answered %d", w.Code)
	}
	return w
}

// put changes one item of the cart.
func (s *shop) put(token string, j jar, key, value string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.serve(token, j, func(w http.ResponseWriter, r *http.Request) {
		must(s.t, s.cart.Update(w, r, func(c *cart) error {
			if c.Items == nil {
				c.Items = map[string]string{}
			}
			c.Items[key] = value
			return nil
		}))
	})
}

func (s *shop) items(token string, j jar) string {
	s.t.Helper()
	var got cart
	s.serve(token, j, func(_ http.ResponseWriter, r *http.Request) {
		var err error
		got, err = s.cart.Load(r)
		must(s.t, err)
	})
	return fmt.Sprint(got.Items)
}

func (s *shop) search(token string, j jar, words string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.serve(token, j, func(w http.ResponseWriter, r *http.Request) {
		must(s.t, s.filter.Update(w, r, func(f *filter) error { f.Words = words; return nil }))
	})
}

func TestAValueComesBack(t *testing.T) {
	s, j := newShop(t), jar{}
	token := s.issuer.Token(authtest.Subject("ann"))
	if got := s.items(token, j); got != "map[]" {
		t.Errorf("before anything was set: %s", got)
	}
	w := s.put(token, j, "1", "A")
	j.take(w)
	if got := s.items(token, j); got != "map[1:A]" {
		t.Errorf("%s", got)
	}
	line := w.Header().Get("Set-Cookie")
	for _, want := range []string{"__Host-cart=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Max-Age="} {
		if !strings.Contains(line, want) {
			t.Errorf("%s is not in %s", want, line)
		}
	}
	if strings.Contains(line, "items") || strings.Contains(line, base64.RawURLEncoding.EncodeToString([]byte("items"))) {
		t.Error("the cookie can be read")
	}
}

// Two requests that change two groups both win, in whatever order the answers
// arrive, and one that changes nothing sets nothing.
func TestGroupsDoNotHinderEachOther(t *testing.T) {
	s := newShop(t)
	token := s.issuer.Token(authtest.Subject("ann"))
	rapid.Check(t, func(t *rapid.T) {
		j, want := jar{}, map[string]string{}
		var onTheWay []*httptest.ResponseRecorder
		arrive := func() {
			i := rapid.IntRange(0, len(onTheWay)-1).Draw(t, "answer")
			j.take(onTheWay[i])
			onTheWay = append(onTheWay[:i], onTheWay[i+1:]...)
		}
		for range rapid.IntRange(1, 8).Draw(t, "pairs") {
			key, words := rapid.StringMatching("[a-c]").Draw(t, "key"), rapid.StringMatching("[a-c]").Draw(t, "words")
			onTheWay = append(onTheWay, s.put(token, j, key, "x"), s.search(token, j, words))
			want[key] = "x"
			for len(onTheWay) > 0 {
				arrive()
			}
			if got := s.items(token, j); got != fmt.Sprint(want) {
				t.Fatalf("the cart is %s, want %v", got, want)
			}
			if w := s.search(token, j, words); len(w.Result().Cookies()) != 0 {
				t.Fatal("a cookie is set without a change")
			}
		}
	})
}

func TestUpdatesOfOneAnswerAddUp(t *testing.T) {
	s, j := newShop(t), jar{}
	token := s.issuer.Token(authtest.Subject("ann"))
	w := s.serve(token, j, func(w http.ResponseWriter, r *http.Request) {
		for _, key := range []string{"1", "2"} {
			must(t, s.cart.Update(w, r, func(c *cart) error {
				if c.Items == nil {
					c.Items = map[string]string{}
				}
				c.Items[key] = "A"
				return nil
			}))
		}
		must(t, s.filter.Update(w, r, func(f *filter) error { f.Words = "red"; return nil }))
	})
	if lines := w.Result().Cookies(); len(lines) != 2 {
		t.Errorf("%d cookies", len(lines))
	}
	j.take(w)
	if got := s.items(token, j); got != "map[1:A 2:A]" {
		t.Errorf("%s", got)
	}
	j.take(s.serve(token, j, func(w http.ResponseWriter, r *http.Request) { s.cart.Clear(w) }))
	if got := s.items(token, j); got != "map[]" || j["__Host-filter"] == "" {
		t.Errorf("%s %v", got, j)
	}
}

// What is not this session's, this group's, this ring's and young is not there,
// and hinders nobody from beginning anew.
func TestForeignCookiesAreNotThere(t *testing.T) {
	s := newShop(t)
	token, other := s.issuer.Token(authtest.Subject("ann")), s.issuer.Token(authtest.Subject("ann"))
	j := jar{}
	j.take(s.put(token, j, "1", "A"))
	good := j["__Host-cart"]
	alien := newShop(t)
	alien.issuer, alien.guard = s.issuer, s.guard
	theirs := jar{}
	theirs.take(alien.put(token, theirs, "1", "A"))
	for name, c := range map[string]struct {
		token string
		jar   jar
	}{
		"another session's": {other, jar{"__Host-cart": good}},
		"another ring's":    {token, theirs},
		"garbage":           {token, jar{"__Host-cart": "garbage"}},
		"a refresh token":   {token, jar{"__Host-cart": refreshOf(t, s.ring)}},
		"a byte more":       {token, jar{"__Host-cart": good + "A"}},
		"nothing":           {token, jar{"__Host-cart": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.items(c.token, c.jar); got != "map[]" {
				t.Errorf("%s", got)
			}
			c.jar.take(s.put(c.token, c.jar, "2", "B"))
			if got := s.items(c.token, c.jar); got != "map[2:B]" {
				t.Errorf("begun anew: %s", got)
			}
		})
	}
	wishes := group[cart](t, "wishes", &s.ring)
	s.serve(token, jar{"__Host-wishes": good}, func(_ http.ResponseWriter, r *http.Request) {
		if c, err := wishes.Load(r); err != nil || len(c.Items) != 0 {
			t.Errorf("under another name: %v %v", c, err)
		}
	})
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 1
		if s.items(token, jar{"__Host-cart": string(changed)}) != "map[]" {
			t.Fatalf("byte %d was changed", i)
		}
	}
}

func refreshOf(t *testing.T, ring *keys.Ring) string {
	t.Helper()
	key, err := ring.Current(keys.RefreshToken, time.Now())
	must(t, err)
	raw, err := tokens.Seal(tokens.TypRefresh, []byte(`{}`), key)
	must(t, err)
	return raw
}

func TestTheSameCookieTwiceIsNone(t *testing.T) {
	s, j := newShop(t), jar{}
	token := s.issuer.Token(authtest.Subject("ann"))
	j.take(s.put(token, j, "1", "A"))
	s.serve(token, j, func(_ http.ResponseWriter, r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "__Host-cart", Value: j["__Host-cart"]})
		if got, err := s.cart.Load(r); err != nil || len(got.Items) != 0 {
			t.Errorf("%v %v", got, err)
		}
	})
}

func TestWithoutASessionThereIsNoData(t *testing.T) {
	s := newShop(t)
	check := func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.cart.Load(r); !errors.Is(err, datacookie.ErrNoSession) {
			t.Errorf("loading: %v", err)
		}
		if err := s.cart.Update(w, r, func(*cart) error { return nil }); !errors.Is(err, datacookie.ErrNoSession) {
			t.Errorf("updating: %v", err)
		}
	}
	check(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestACookieThatABrowserWouldDropIsNotSet(t *testing.T) {
	s, j := newShop(t), jar{}
	token := s.issuer.Token(authtest.Subject("ann"))
	j.take(s.search(token, j, "red"))
	w := s.serve(token, j, func(w http.ResponseWriter, r *http.Request) {
		err := s.filter.Update(w, r, func(f *filter) error { f.Words = strings.Repeat("x", 4000); return nil })
		var over *budget.OverError
		if !errors.As(err, &over) || over.Bytes <= over.Limit.Bytes || over.What != "__Host-filter" {
			t.Errorf("%v", err)
		}
		if err := s.filter.Update(w, r, func(*filter) error { return errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v", err)
		}
	})
	if len(w.Result().Cookies()) != 0 {
		t.Error("a cookie is set")
	}
}

func TestAValueOfAnotherShapeIsAnError(t *testing.T) {
	s, j := newShop(t), jar{}
	token := s.issuer.Token(authtest.Subject("ann"))
	j.take(s.put(token, j, "1", "A"))
	numbers := group[[]int](t, "cart", &s.ring)
	s.serve(token, j, func(_ http.ResponseWriter, r *http.Request) {
		if got, err := numbers.Load(r); err == nil {
			t.Errorf("%v", got)
		}
	})
}

// Keys rotate under the cookies: what an older key sealed is opened as long as
// it may live.
func TestCookiesSurviveARotation(t *testing.T) {
	s, j := newShop(t), jar{}
	token := s.issuer.Token(authtest.Subject("ann"))
	j.take(s.put(token, j, "1", "A"))
	before := j["__Host-cart"]
	ring, err := s.ring.Rotate(keys.RefreshToken, s.ring.Plan(), time.Now())
	must(t, err)
	s.ring = ring
	j.take(s.put(token, j, "2", "B"))
	if got := s.items(token, j); got != "map[1:A 2:B]" {
		t.Errorf("%s", got)
	}
	if s.items(token, jar{"__Host-cart": before}) != "map[1:A]" {
		t.Error("the older cookie is lost")
	}
}

func TestUnfitGroupsAreRefused(t *testing.T) {
	ring := newRing(t)
	now := func() *keys.Ring { return ring }
	for name, cfg := range map[string]datacookie.Config{
		"no name":            {Ring: now},
		"a long name":        {Name: strings.Repeat("x", 33), Ring: now},
		"a name with =":      {Name: "a=b", Ring: now},
		"no ring":            {Name: "cart"},
		"a ring that is nil": {Name: "cart", Ring: func() *keys.Ring { return nil }},
		"older than its key": {Name: "cart", Ring: now, MaxAge: 10_000 * time.Hour},
		"a negative age":     {Name: "cart", Ring: now, MaxAge: -1},
	} {
		if _, err := datacookie.New[cart](cfg); !errors.Is(err, datacookie.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
