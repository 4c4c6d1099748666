package issuer

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestWhatTheIssuerNamesIsAskedForAtTheRelay(t *testing.T) {
	for _, tc := range []struct {
		issuer, feed, uri, want string
	}{
		{"https://a.example", "", "https://a.example/jwks?x=1", "https://a.example/jwks?x=1"},
		{"https://a.example", "https://r.example", "https://a.example/jwks?x=1", "https://r.example/jwks?x=1"},
		{"https://a.example/", "https://r.example/", "https://a.example/v1/feed", "https://r.example/v1/feed"},
		{"https://a.example/auth", "http://localhost:81/base/", "https://a.example/auth/v1/feed", "http://localhost:81/base/v1/feed"},
		{"https://a.example/auth", "https://r.example", "https://a.example/other", ""},
		{"https://a.example/auth", "https://r.example", "https://a.example/auth/../other", ""},
		{"https://a.example", "https://r.example/base", "https://a.example/../secret", ""},
		{"https://a.example", "https://r.example/base", "https://a.example/%2e%2e/secret", ""},
	} {
		p, err := Config{Issuer: tc.issuer, Feed: tc.feed}.place()
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.address(tc.uri)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s of %s by %q is at %q, %v", tc.uri, tc.issuer, tc.feed, got, err)
		}
	}
	for _, feed := range []string{"r.example", "http://r.example", "https://u:p@r.example", "https://r.example?x=1"} {
		if _, err := (Config{Issuer: "https://a.example", Feed: feed}).place(); !errors.Is(err, ErrConfig) {
			t.Errorf("%q is taken for a relay: %v", feed, err)
		}
	}
}

// hosts notes which hosts are asked.
type hosts struct {
	next http.RoundTripper
	all  []string
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.all = append(h.all, r.URL.Host)
	return h.next.RoundTrip(r)
}

// Behind a relay nobody else is asked, and the issuer stays who it is.
func TestAFollowerOfARelayAsksTheRelayAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub(t)
		h := &hosts{next: s}
		var tapped []Event
		f, err := Follow(context.Background(), Config{
			Issuer: stubURL, Feed: "https://relay.example/at", Client: Client{ID: "orders", Secret: "x"},
			HTTP: &http.Client{Transport: &stripped{h}},
			Tap:  func(e Event) { tapped = append(tapped, e) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c := s.live()
		c.delta(1, 2, sessionEntry())
		c.delta(5, 6, sessionEntry()) // beyond a gap: not to be passed on
		if !f.Ready() || slices.ContainsFunc(h.all, func(host string) bool { return host != "relay.example" }) || len(h.all) < 4 {
			t.Errorf("asked %v; %+v", h.all, f.Status())
		}
		if len(tapped) != 3 || tapped[0].Keys == nil || tapped[1].Frame.Kind != revocation.Snapshot || tapped[2].Frame.Pos != at(2) {
			t.Errorf("passed on %+v", tapped)
		}
		for _, e := range tapped {
			if e.JWS == "" {
				t.Error("an event without what was signed")
			}
		}
	})
}

// stripped takes the relay's own path off.
type stripped struct{ next http.RoundTripper }

func (s *stripped) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Path = r.URL.Path[len("/at"):]
	return s.next.RoundTrip(r)
}
