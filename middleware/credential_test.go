package middleware

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestACredentialIsRefusedByItsLengthBeforeAnyWork(t *testing.T) {
	g := localGuard(t, newLocalTrust(t), nil)
	for name, c := range map[string]struct {
		header, before string
		limit          int
	}{
		"bearer": {"Authorization", "Bearer ", tokens.MaxTokenLen},
		"cookie": {"Cookie", HostCookie + "=", maxCookieLen},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set(c.header, c.before+strings.Repeat("x", c.limit))
			if _, err := g.credential(r); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			r.Header.Set(c.header, c.before+strings.Repeat("x", c.limit+1))
			if _, err := g.credential(r); !errors.Is(err, errTooLong) || !errors.Is(err, ErrInvalidToken) {
				t.Errorf("beyond it: %v", err)
			}
		})
	}
}

func TestCheckAloneRefusesWhatIsRevoked(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	r := bearerRequest(l.token(t))
	s, err := g.Check(r)
	if err != nil {
		t.Fatal(err)
	}
	l.apply(revocation.SessionEntry(s.Claims().SessionID, time.Now(), time.Now().Add(time.Hour)))
	if _, err := g.Check(r); !errors.Is(err, ErrRevoked) {
		t.Errorf("after the revocation: %v", err)
	}
}

func TestAClosedGuardHearsNoMore(t *testing.T) {
	l := newLocalTrust(t)
	g := localGuard(t, l, nil)
	c := l.claims()
	v := visitOf(t.Context(), g, newSession(c, "", nil, 0))
	defer v.done()
	v.watch()
	g.Close()
	l.apply(revocation.SessionEntry(c.SessionID, time.Now(), time.Now().Add(time.Hour)))
	if v.Err() != nil {
		t.Error("a guard that is closed ended a request")
	}
}
