package authsvc_test

import (
	"context"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/redisstore"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
)

// However a logout races with refreshes, it wins: once it is answered no
// refresh of the session succeeds, at any replica, and no token that a racer
// got is accepted.
func TestALogoutWinsEveryRaceWithARefresh(t *testing.T) {
	t.Run("bolt", func(t *testing.T) {
		w := buildWorld(&world{t: t, adopt: true})
		race(w, w.issuer, w.issuer, one)
		race(w, w.issuer, w.issuer, all)
	})
	t.Run("Redis", func(t *testing.T) {
		server := redistest.Start(t)
		var cfg authsvc.Config
		w := buildWorld(&world{t: t}, func(c *authsvc.Config) {
			c.Log, c.Sessions = overRedis(t, server)
			cfg = *c
		})
		cfg.Log, cfg.Sessions = overRedis(t, server)
		other := w.replicaOf(cfg)
		race(w, w.issuer, other, one)
		race(w, w.issuer, other, all)
	})
}

// overRedis is the store of one replica. It waits for Redis as long as that
// takes: what is done without Redis is another matter.
func overRedis(t *testing.T, server *redistest.Server) (authsvc.Log, authsvc.Sessions) {
	t.Helper()
	const patient = 20 * time.Second
	journal, err := boltstore.Open(filepath.Join(t.TempDir(), "journal.db"), boltstore.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, journal.Close()) })
	client := server.Client(t)
	log, err := redisstore.OpenLog(t.Context(), redisstore.LogConfig{Client: client, Journal: journal, Timeout: patient})
	must(t, err)
	t.Cleanup(func() { must(t, log.Close()) })
	sessions, err := redisstore.NewSessions(redisstore.Config{Client: client, Buckets: log.Buckets, AdoptLost: true, Timeout: patient})
	must(t, err)
	return log, sessions
}

// replicaOf runs another replica and returns its URL.
func (w *world) replicaOf(cfg authsvc.Config) string {
	t := w.t
	t.Helper()
	svc, err := authsvc.New(cfg)
	must(t, err)
	public, admin := listen(t), listen(t)
	servers := []*http.Server{serve(public, svc.Public()), serve(admin, svc.Admin())}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
		for _, s := range servers {
			_ = s.Close()
		}
		w.http.CloseIdleConnections()
	})
	w.eventually("the replica is ready", func() bool { return w.get("http://"+admin.Addr().String()+"/readyz").status == 200 })
	return "http://" + public.Addr().String()
}

// leaving is a way out of a session.
type leaving struct {
	path     string
	begin    func(*world) (refresh, access string)
	anywhere bool // no refresh succeeds at any replica, as soon as it is answered
}

var (
	one = leaving{"/v1/logout", func(w *world) (string, string) {
		sid := tokens.NewID()
		return w.aged(sid, 0, time.Minute), w.sign(func(c *tokens.Claims) { c.SessionID = sid })
	}, true}
	// What ends a subject is in no session's state: another replica refuses when it
	// has heard. What it gives until then is dead with the rest.
	all = leaving{"/v1/logout/all", func(w *world) (string, string) {
		in := w.login()
		return in.str(w.t, "refresh_token"), in.str(w.t, "access_token")
	}, false}
)

// race has one racer log out, at the first replica, and the others refresh at
// both, each with whatever the last answer gave it.
func race(w *world, first, second string, l leaving) {
	t := w.t
	const rounds, racers = 8, 6
	during := 0
	for range rounds {
		token, access := l.begin(w)
		var mu sync.Mutex
		refreshes, accesses := []string{token}, []string{access}
		var over sync.WaitGroup
		begun := make(chan struct{}, racers)
		for i := range racers {
			at := []string{first, second}[i%2]
			over.Go(func() {
				mine := token
				for n := 0; ; n++ {
					a := w.post(at+"/v1/refresh", `{"refresh_token":"`+mine+`"}`)
					if n == 0 {
						begun <- struct{}{}
					}
					if a.status != http.StatusOK {
						if a.status != http.StatusUnauthorized || a.str(t, "reason") != "revoked" {
							t.Errorf("a racer got %d %s", a.status, a.body)
						}
						return
					}
					mu.Lock()
					mine = a.str(t, "refresh_token")
					refreshes, accesses = append(refreshes, mine), append(accesses, a.str(t, "access_token"))
					mu.Unlock()
				}
			})
		}
		<-begun
		w.post(first+l.path, "", withBearer(access)).want(t, http.StatusNoContent, "")
		mu.Lock()
		got := append([]string(nil), refreshes...)
		mu.Unlock()
		for _, at := range []string{first, second} {
			if at == second && !l.anywhere {
				continue
			}
			for _, r := range got[max(0, len(got)-4):] {
				if a := w.post(at+"/v1/refresh", `{"refresh_token":"`+r+`"}`); a.status != http.StatusUnauthorized {
					t.Fatalf("after the logout: %d %s", a.status, a.body)
				}
			}
		}
		over.Wait()
		during += len(got) - 1
		for _, raw := range accesses { // here at once
			w.get(first+"/v1/session", withBearer(raw)).want(t, http.StatusUnauthorized, "invalid-token")
		}
		w.eventually("the other replica has heard", func() bool { return w.get(second+"/v1/session", withBearer(access)).status == 401 })
		for _, raw := range accesses {
			w.get(second+"/v1/session", withBearer(raw)).want(t, http.StatusUnauthorized, "invalid-token")
		}
		if a := w.post(second+"/v1/refresh", `{"refresh_token":"`+refreshes[len(refreshes)-1]+`"}`); a.status != http.StatusUnauthorized {
			t.Fatalf("the last token of all: %d %s", a.status, a.body)
		}
	}
	if during < rounds {
		t.Errorf("%d refreshes raced with %d logouts", during, rounds)
	}
}
