package authtest_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is what a user of this package would test: a handler behind a guard.
func service(guard *middleware.Guard) http.Handler {
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := middleware.FromContext(r.Context())
		w.Header().Set("Subject", s.Subject)
	}))
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
	guard := iss.Guard()
	h := service(guard)
	token := iss.Token(authtest.Subject("ben"))
	if resp := get(h, token); resp.StatusCode != http.StatusOK || resp.Header.Get("Subject") != "ben" {
		t.Fatalf("answer %d for %q", resp.StatusCode, resp.Header.Get("Subject"))
	}
	iss.Revoke(token)
	iss.Await(guard)
	if resp := get(h, token); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the logout: answer %d", resp.StatusCode)
	}
}

// Await is what makes a test certain: without it these would be right sometimes.
func TestAGuardThatWasWaitedForKnowsAll(t *testing.T) {
	iss := authtest.New(t)
	guard := iss.Guard()
	h := service(guard)
	for range 50 {
		token := iss.Token()
		ctx, leave, err := guard.Enter(t.Context(), "/", []string{"Bearer " + token})
		if err != nil {
			t.Fatal(err)
		}
		iss.Revoke(token)
		iss.Await(guard)
		if ctx.Err() == nil || get(h, token).StatusCode != http.StatusUnauthorized {
			t.Fatal("the guard has not heard of the revocation")
		}
		leave()
	}
	iss.Rotate()
	iss.Await(guard)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(iss.Cookie())
	if _, err := guard.Check(r); err != nil {
		t.Errorf("with the new keys: %v", err)
	}
	old := iss.Token()
	iss.RevokeKey()
	iss.Await(guard)
	if get(h, old).StatusCode != http.StatusUnauthorized || get(h, iss.Token()).StatusCode != http.StatusOK {
		t.Error("the guard has not heard of the key's end")
	}
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
	guard := iss.Guard()
	h := service(guard)
	session := authtest.SessionID(tokens.NewID())
	one, other := iss.Token(session), iss.Token(session)
	iss.RevokeToken(one)
	iss.Await(guard)
	if resp := get(h, one); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the token: answer %d", resp.StatusCode)
	}
	if resp := get(h, other); resp.StatusCode != http.StatusOK {
		t.Errorf("another of its session: answer %d", resp.StatusCode)
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

// A service under test calls the next one, and is refused there without a token of
// its own kind.
func TestATokenIsExchanged(t *testing.T) {
	iss := authtest.New(t)
	guard := iss.Guard()
	var got string
	next := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer next.Close()
	client := &http.Client{Transport: guard.Next("stock", nil)}
	defer client.CloseIdleConnections()
	token := iss.Token(authtest.Subject("ann"))
	h := guard.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		out, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, next.URL, nil)
		resp, err := client.Do(out)
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	for range 2 {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if got == "" || got == "Bearer "+token {
		t.Errorf("the next service got %q", got)
	}
	if n := iss.Requests(authtest.TokenPath); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
