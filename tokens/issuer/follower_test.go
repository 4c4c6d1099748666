package issuer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// logBuffer is a log that a test reads while others write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func follow(t *testing.T, url, id, secret string) (*issuer.Follower, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	f, err := issuer.Follow(context.Background(), issuer.Config{
		Issuer: url,
		Client: issuer.Client{ID: id, Secret: tokens.Secret(secret)},
		Log:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, log
}

func TestOneConnectionServesEverything(t *testing.T) {
	iss := authtest.New(t)
	f, log := follow(t, iss.URL, iss.ClientID, iss.ClientSecret)
	eventually(t, "ready", f.Ready)
	token := iss.Token()
	iss.Revoke(token)
	eventually(t, "the revocation has come", func() bool { return f.Revocations().Len() == 1 })
	for _, path := range []string{authtest.MetadataPath, authtest.KeySetPath, authtest.SessionKeysPath, authtest.FeedPath} {
		if n := iss.Requests(path); n != 1 {
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
	if n := iss.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if strings.Contains(log.String(), iss.ClientSecret) {
		t.Errorf("the secret is in the log: %s", log)
	}
}

func TestAFollowerHoldsTheKeysThatItGives(t *testing.T) {
	iss := authtest.New(t)
	f, _ := follow(t, iss.URL, iss.ClientID, iss.ClientSecret)
	agree := func() {
		t.Helper()
		for _, of := range []string{iss.Token(), iss.Cookie().Value} {
			kid := kidOf(t, of)
			for _, kid := range []string{kid, kid[1:], ""} {
				for _, p := range keys.Purposes() {
					_, err := f.Key(kid, p, time.Now())
					if holds := f.Holds(kid, p, time.Now()); holds != (err == nil) {
						t.Errorf("holds %q for %s: %v, but %v", kid, p, holds, err)
					}
				}
			}
		}
	}
	agree()
	eventually(t, "it is ready", f.Ready)
	agree()
	if !f.Holds(kidOf(t, iss.Token()), keys.AccessToken, time.Now()) || !f.Holds(kidOf(t, iss.Cookie().Value), keys.SessionCookie, time.Now()) {
		t.Error("it does not hold the keys in use")
	}
	iss.Rotate()
	agree()
}

func kidOf(t *testing.T, raw string) string {
	t.Helper()
	in, err := tokens.InspectUnverified(raw)
	if err != nil {
		t.Fatal(err)
	}
	return in.KeyID
}

func TestTheClientIsSentAsTheStandardSays(t *testing.T) {
	iss := authtest.New(t)
	iss.ClientID, iss.ClientSecret = "orders:eu/1", "p%ss w+rd:ä" // RFC 6749 §2.3.1: form-encoded
	f, _ := follow(t, iss.URL, iss.ClientID, iss.ClientSecret)
	eventually(t, "ready", f.Ready)
}

func TestAFollowerOutlivesItsIssuer(t *testing.T) {
	iss := authtest.New(t)
	f, _ := follow(t, iss.URL, iss.ClientID, iss.ClientSecret)
	eventually(t, "ready", f.Ready)
	iss.Down()
	eventually(t, "the loss is noticed", func() bool { return !f.Status().Live })
	token := iss.Token()
	if _, err := tokens.Verify(token, f, tokens.Expect{Issuer: iss.URL, Audiences: []string{iss.Audience}}, time.Now()); err != nil {
		t.Errorf("verifying during the outage: %v", err)
	}
	iss.Revoke(token)
	iss.Up()
	eventually(t, "what was missed has come", func() bool { return f.Revocations().Len() == 1 })
	if n := iss.Requests(authtest.KeySetPath); n != 1 {
		t.Errorf("the key set, which the feed had kept, was fetched %d times", n)
	}
}

func TestRefusalsDoNotCostAConnection(t *testing.T) {
	iss := authtest.New(t)
	iss.CutFeed()
	f, _ := follow(t, iss.URL, iss.ClientID, iss.ClientSecret)
	eventually(t, "the feed was refused three times", func() bool { return iss.Requests(authtest.FeedPath) >= 3 })
	if n := iss.Connections(); n != 1 || f.Ready() {
		t.Errorf("%d connections; ready: %v", n, f.Ready())
	}
}

func TestCloseMayFollowAtOnceAndWaits(t *testing.T) {
	iss := authtest.New(t)
	for range 20 {
		f, _ := follow(t, iss.URL, iss.ClientID, iss.ClientSecret)
		f.Close()
		if f.Status().Live {
			t.Error("live after Close")
		}
	}
}

func TestCloseLeavesNeitherAFeedNorAnIdleConnection(t *testing.T) {
	iss := authtest.New(t)
	before := goleak.IgnoreCurrent()
	for _, id := range []string{"", iss.ClientID} {
		secret := iss.ClientSecret
		if id == "" {
			secret = ""
		}
		f, _ := follow(t, iss.URL, id, secret)
		eventually(t, "ready", f.Ready)
		f.Close()
		if f.Status().Live {
			t.Error("Close did not wait")
		}
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	}
}

func TestAFollowerEndsWithItsContext(t *testing.T) {
	iss := authtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	f, err := issuer.Follow(ctx, issuer.Config{
		Issuer: iss.URL, Client: issuer.Client{ID: iss.ClientID, Secret: tokens.Secret(iss.ClientSecret)}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	eventually(t, "live", func() bool { return f.Status().Live })
	cancel()
	eventually(t, "it has ended", func() bool { return !f.Status().Live && iss.Followers() == 0 })
	if !f.Ready() {
		t.Error("what was known is gone")
	}
}

func TestAnIssuerThatCannotBeFollowedIsRefused(t *testing.T) {
	for _, url := range []string{
		"", "auth.example.com", "/x", "http://auth.example.com", "ftp://localhost", "https://", "https:auth.example.com",
		"https://a:b@auth.example.com", "https://auth.example.com?x", "https://auth.example.com?", "https://auth.example.com#x",
		"https://auth.example.com#", "https://auth example.com", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://10.0.0.1",
	} {
		t.Run(url, func(t *testing.T) {
			f, err := issuer.Follow(context.Background(), issuer.Config{Issuer: url})
			if !errors.Is(err, issuer.ErrConfig) {
				t.Errorf("error %v", err)
			}
			if err == nil {
				f.Close()
			} else if strings.Contains(err.Error(), "a:b") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
	for _, c := range []issuer.Client{{ID: "a"}, {Secret: "a"}} {
		if _, err := issuer.Follow(context.Background(), issuer.Config{Issuer: "https://auth.example.com", Client: c}); !errors.Is(err, issuer.ErrConfig) {
			t.Errorf("half a client: %v", err)
		}
	}
}

// host is a web server that answers path with what a test says, and counts.
type host struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	hits    map[string]int
	auth    int // requests that carried a credential
}

func newHost(t *testing.T) *host {
	h := &host{answers: map[string]http.HandlerFunc{}, hits: map[string]int{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.hits[r.URL.Path]++
		if r.Header.Get("Authorization") != "" {
			h.auth++
		}
		answer := h.answers[r.URL.Path]
		h.mu.Unlock()
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *host) count(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hits[path]
}

func write(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

func TestMetadataThatPointsElsewhereIsNotFollowed(t *testing.T) {
	const good = `{"issuer":%[1]q,"jwks_uri":"%[1]s/jwks"}`
	for name, c := range map[string]struct {
		format string // %[1]s: the issuer, %[2]s: another host
		ok     bool
	}{
		"nothing wrong":                   {good, true},
		"another issuer":                  {`{"issuer":%[2]q,"jwks_uri":"%[1]s/jwks"}`, false},
		"the issuer with a slash":         {`{"issuer":"%[1]s/","jwks_uri":"%[1]s/jwks"}`, false},
		"no issuer":                       {`{"jwks_uri":"%[1]s/jwks"}`, false},
		"no key set":                      {`{"issuer":%[1]q}`, false},
		"a key set elsewhere":             {`{"issuer":%[1]q,"jwks_uri":"%[2]s/jwks"}`, false},
		"a key set at a user":             {`{"issuer":%[1]q,"jwks_uri":"http://user@%[3]s/jwks"}`, false},
		"a key set at a relative address": {`{"issuer":%[1]q,"jwks_uri":"/jwks"}`, false},
		"a key set of another scheme":     {`{"issuer":%[1]q,"jwks_uri":"https://%[3]s/jwks"}`, false},
		"a feed elsewhere":                {`{"issuer":%[1]q,"jwks_uri":"%[1]s/jwks","sealring_feed":{"uri":"%[2]s/feed"}}`, false},
		"reports elsewhere":               {`{"issuer":%[1]q,"jwks_uri":"%[1]s/jwks","sealring_feed":{"held_uri":"%[2]s/h"}}`, false},
		"session keys elsewhere":          {`{"issuer":%[1]q,"jwks_uri":"%[1]s/jwks","sealring_feed":{"session_keys_uri":"%[2]s/k"}}`, false},
		"not JSON":                        {`<html>%[1]s</html>`, false},
		"another shape":                   {`["%[1]s"]`, false},
		"longer than any metadata":        {`{"issuer":%[1]q,"jwks_uri":"%[1]s/jwks","x":"` + strings.Repeat("x", 64<<10) + `"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			h, other := newHost(t), newHost(t)
			h.answers[authtest.MetadataPath] = write(fmt.Sprintf(c.format, h.URL, other.URL, strings.TrimPrefix(h.URL, "http://")))
			h.answers["/jwks"] = write(`{"keys":[]}`)
			f, _ := follow(t, h.URL, "orders", "hush-hush")
			eventually(t, "the first round has ended", func() bool { return f.Status().Fault != "" })
			if got := h.count("/jwks") > 0; got != c.ok {
				t.Errorf("followed: %v; %s", got, f.Status().Fault)
			}
			if fault := f.Status().Fault; !c.ok && !strings.Contains(fault, "metadata") && !strings.Contains(fault, authtest.MetadataPath) {
				t.Errorf("the fault does not say where to look: %s", fault)
			}
			other.mu.Lock()
			defer other.mu.Unlock()
			if len(other.hits) != 0 || h.auth != 0 {
				t.Errorf("another host was asked for %v; the secret was sent %d times", other.hits, h.auth)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	h, other := newHost(t), newHost(t)
	h.answers[authtest.MetadataPath] = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
	}
	for name, client := range map[string]*http.Client{"own client": nil, "given client": {}} {
		t.Run(name, func(t *testing.T) {
			f, err := issuer.Follow(context.Background(), issuer.Config{Issuer: h.URL, HTTP: client, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			eventually(t, "the first round has ended", func() bool { return f.Status().Fault != "" })
			if n := other.count(authtest.MetadataPath); n != 0 {
				t.Errorf("followed %d times", n)
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestAKeySetThatIsTooLargeOrMalformedChangesNothing(t *testing.T) {
	for name, set := range map[string]string{
		"too large": `{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`, "malformed": `{"keys":`, "no set": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.answers[authtest.MetadataPath] = write(fmt.Sprintf(`{"issuer":%[1]q,"jwks_uri":"%[1]s/jwks"}`, h.URL))
			h.answers["/jwks"] = write(set)
			f, _ := follow(t, h.URL, "", "")
			eventually(t, "the first round has ended", func() bool { return f.Status().Fault != "" })
			if _, err := f.Key("x", keys.AccessToken, time.Now()); !errors.Is(err, keys.ErrUnavailable) || f.Ready() {
				t.Errorf("a key: %v", err)
			}
		})
	}
}

func ExampleFollow() {
	f, err := issuer.Follow(context.Background(), issuer.Config{
		Issuer: "https://auth.example.com",
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	_, err = f.Key("kid", keys.AccessToken, time.Now())
	fmt.Println(f.Ready(), err)
	// Output: false no key set yet
}
