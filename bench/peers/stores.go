package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/securecookie"
	"github.com/redis/go-redis/v9"
)

func withCookie(name, value string) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "https://orders.example.com/cart", nil) // of constants: does not fail
	r.AddCookie(&http.Cookie{Name: name, Value: value})
	return r
}

// who is what a session in a store or a cookie says.
type who struct {
	Subject string
	Scopes  []string
	Roles   []string
}

var ann = who{"01987a6e-5c1f-7c7a-9d53-2b8a4f0e6b11", []string{"orders:read", "orders:write"}, []string{"buyer"}}

// secureCookie is a sealed cookie that nothing can revoke.
func secureCookie() (*contender, error) {
	s := securecookie.New(securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32)).SetSerializer(securecookie.JSONEncoder{})
	value, err := s.Encode("session", ann)
	if err != nil {
		return nil, err
	}
	return &contender{
		name: "gorilla/securecookie, sealed", good: []*http.Request{withCookie("session", value)}, bad: withCookie("session", "x"+value),
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var is who
			c, err := r.Cookie("session")
			if err == nil {
				err = s.Decode("session", c.Value, &is)
			}
			if err != nil || is.Subject == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			served(w, r)
		}),
	}, nil
}

// startRedis starts a server on loopback that keeps nothing.
func startRedis() (client *redis.Client, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := l.Close(); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return nil, nil, err
	}
	server := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	if err := server.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting redis-server: %w", err)
	}
	client = redis.NewClient(&redis.Options{Addr: addr})
	stop = func() {
		_ = client.Close()
		_ = server.Process.Kill()
		_ = server.Wait()
		_ = os.RemoveAll(dir)
	}
	for range 500 {
		if client.Ping(context.Background()).Err() == nil {
			return client, stop, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return nil, nil, errors.New("redis-server does not answer")
}

// redisGet is the least that a session in a store costs.
func redisGet(client *redis.Client) (*contender, error) {
	raw, err := json.Marshal(ann)
	if err != nil {
		return nil, err
	}
	if err := client.Set(context.Background(), "session:good", raw, time.Hour).Err(); err != nil {
		return nil, err
	}
	return &contender{
		name: "a bare GET to Redis on loopback", good: []*http.Request{withCookie("session", "good")}, bad: withCookie("session", "bad"),
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := r.Cookie("session")
			if err == nil {
				_, err = client.Get(r.Context(), "session:"+c.Value).Bytes()
			}
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			served(w, r)
		}),
	}, nil
}

// scsRedis is a session of scs in that Redis.
func scsRedis(client *redis.Client) (*contender, error) {
	m := scs.New()
	m.Store = goredisstore.New(client)
	ctx, err := m.Load(context.Background(), "")
	if err != nil {
		return nil, err
	}
	m.Put(ctx, "subject", ann.Subject)
	token, _, err := m.Commit(ctx)
	if err != nil {
		return nil, err
	}
	return &contender{
		name: "alexedwards/scs with that Redis", good: []*http.Request{withCookie("session", token)}, bad: withCookie("session", "bad"),
		handler: m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if m.GetString(r.Context(), "subject") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			served(w, r)
		})),
	}, nil
}

// introspection asks a server (RFC 7662) that does nothing but answer: the least
// that it costs.
func introspection(token, bad string) (*contender, func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active":%t,"sub":%q}`, r.FormValue("token") == token, ann.Subject)
	}))
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	c := &contender{
		name: "asking an issuer on loopback (RFC 7662)", good: []*http.Request{bearer(token)}, bad: bearer(bad),
		handler: by(func(token string) bool {
			res, err := client.Post(server.URL, "application/x-www-form-urlencoded", strings.NewReader(url.Values{"token": {token}}.Encode()))
			if err != nil {
				return false
			}
			defer func() { _ = res.Body.Close() }()
			var said struct{ Active bool }
			return json.NewDecoder(res.Body).Decode(&said) == nil && said.Active
		}),
	}
	return c, func() { client.CloseIdleConnections(); server.Close() }
}
