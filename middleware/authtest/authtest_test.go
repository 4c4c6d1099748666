package authtest_test

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is what a user of this package would test: a handler behind a guard.
func service(t *testing.T, iss *authtest.Issuer) http.Handler {
	t.Helper()
	guard, err := middleware.New(context.Background(), middleware.Config{
		Issuer:   iss.URL,
		Audience: iss.Audience,
		Client:   middleware.Client{ID: iss.ClientID, Secret: iss.ClientSecret},
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	eventually(t, guard.Ready)
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		w.Header().Set("Subject", s.Subject)
	}))
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never")
		}
	}
}

func get(h http.Handler, token string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestAUsersTestOfAProtectedHandler(t *testing.T) {
	iss := authtest.New(t)
	h := service(t, iss)
	token := iss.Token(authtest.Subject("ben"))
	if resp := get(h, token); resp.StatusCode != http.StatusOK || resp.Header.Get("Subject") != "ben" {
		t.Fatalf("answer %d for %q", resp.StatusCode, resp.Header.Get("Subject"))
	}
	iss.Revoke(token)
	eventually(t, func() bool { return get(h, token).StatusCode == http.StatusUnauthorized })
}

func TestAnUnknownPositionIsAnsweredWithAReset(t *testing.T) {
	iss := authtest.New(t)
	req, err := http.NewRequest(http.MethodGet, iss.URL+authtest.FeedPath+"?since=0000000000000001.1-0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(iss.ClientID, iss.ClientSecret)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var events []string
	for lines := bufio.NewScanner(resp.Body); len(events) < 2 && lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events = append(events, name)
		}
	}
	if !slices.Equal(events, []string{"keys", "reset"}) {
		t.Errorf("the feed begins with %v", events)
	}
}

func TestOneTokenCanBeRevokedWithoutItsSession(t *testing.T) {
	iss := authtest.New(t)
	h := service(t, iss)
	one, other := iss.Token(), iss.Token()
	iss.RevokeToken(one)
	eventually(t, func() bool { return get(h, one).StatusCode == http.StatusUnauthorized })
	if resp := get(h, other); resp.StatusCode != http.StatusOK {
		t.Errorf("the other token: answer %d", resp.StatusCode)
	}
}

func TestTheFeedWantsAClient(t *testing.T) {
	iss := authtest.New(t)
	for _, path := range []string{authtest.FeedPath, authtest.SessionKeysPath} {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(iss.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a client: %d", path, resp.StatusCode)
		}
	}
}
