package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

// stockOf is the next service, which takes tokens for itself alone.
func stockOf(t *testing.T, iss *authtest.Issuer) http.Handler {
	cfg := iss.Config()
	cfg.Audience = "stock"
	guard, err := middleware.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	iss.Await(guard)
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		_, _ = io.WriteString(w, "7 left for "+s.Subject)
	}))
}

func TestTheShopServesWhoMayBeServed(t *testing.T) {
	iss := authtest.New(t)
	stock := httptest.NewServer(stockOf(t, iss))
	defer stock.Close()
	shop := httptest.NewServer(routes(iss.Guard(), stock.URL))
	defer shop.Close()
	ann := iss.Token(authtest.Subject("ann"))
	for _, c := range []struct{ ask, token, want string }{
		{"GET /readyz", "", "200 ready"},
		{"GET /", "", "200 hello"},
		{"GET /", ann, "200 hello ann"},
		{"GET /", "x.y.z", "401 "},
		{"GET /cart", "", "401 "},
		{"GET /cart", ann, "200 cart of ann"},
		{"GET /stock", ann, "403 "},
		{"GET /stock", iss.Token(authtest.Subject("bob"), authtest.Roles("clerk")), "200 7 left for bob"},
		{"POST /orders", ann, "403 "},
		{"POST /orders", iss.Token(authtest.Scope("orders:write")), "200 ordered"},
		{"POST /pay", ann, "200 paid"},
		{"POST /pay", iss.Token(authtest.LoggedIn(time.Now().Add(-time.Hour))), "401 "},
		{"GET /statusz", "", `200 {"Issuer":"` + iss.URL + `","Ready":true`},
	} {
		method, path, _ := strings.Cut(c.ask, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, shop.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := resp.Status[:4] + strings.TrimSpace(string(body)); !strings.HasPrefix(got, c.want) || resp.StatusCode == 200 && !strings.HasPrefix(c.ask, "GET /statusz") && got != c.want {
			t.Errorf("%s: %s, want %s", c.ask, got, c.want)
		}
	}
}
