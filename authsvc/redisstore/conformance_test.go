package redisstore

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/storetest"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
)

// TestStore runs the conformance suite on the log and the refresh states of a
// replica, on each kind of Redis. The suite goes by a clock that is a number
// of seconds ahead of everybody's, so that nobody has to wait.
func TestStore(t *testing.T) {
	for _, kind := range []struct {
		name  string
		start func(t *testing.T) (client func() redis.UniversalClient, restart func())
	}{
		{"one server", func(t *testing.T) (func() redis.UniversalClient, func()) {
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			return func() redis.UniversalClient {
				return redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
			}, server.Restart
		}},
		{"a sentinel", func(t *testing.T) (func() redis.UniversalClient, func()) {
			s := redistest.StartSentinel(t, 1)
			return func() redis.UniversalClient {
				return redis.NewFailoverClient(&redis.FailoverOptions{
					MasterName: redistest.MasterName, SentinelAddrs: []string{s.Sentinel.Addr()}, ContextTimeoutEnabled: true,
				})
			}, func() {}
		}},
		{"a cluster", func(t *testing.T) (func() redis.UniversalClient, func()) {
			c := redistest.StartCluster(t, 3)
			return func() redis.UniversalClient {
				return redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs(), ContextTimeoutEnabled: true})
			}, func() {}
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			client, restart := kind.start(t)
			n := 0
			storetest.Run(t, func(t *testing.T) *storetest.Subject {
				n++
				r := &replica{t: t, namespace: fmt.Sprint("n", n), dir: t.TempDir(), client: client, expects: 500} // a few buckets
				r.open()
				subject := &storetest.Subject{Now: r.now, Pass: r.pass, Log: r.log, Sessions: r.sessions, Data: r.data, Close: func() error { return r.close() }}
				subject.Restart = func(t *testing.T) {
					if err := r.close(); err != nil {
						t.Fatal(err)
					}
					restart()
					r.open()
					subject.Log, subject.Sessions, subject.Data = r.log, r.sessions, r.data
				}
				return subject
			})
		})
	}
}

// replica is a log and the refresh states with all that they are made of.
type replica struct {
	t         testing.TB
	namespace string
	dir       string
	client    func() redis.UniversalClient
	ahead     atomic.Int64  // nanoseconds, of the clock
	timeout   time.Duration // zero: long
	expects   uint64        // sessions; zero: the default
	logged    *lines        // nil: nothing is kept

	log      *Log
	sessions *Sessions
	data     *Data
	journal  *boltstore.Store
	close    func() error
}

func (r *replica) now() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

func (r *replica) pass(d time.Duration) {
	r.ahead.Add(int64(d))
	r.setClock()
}

func (r *replica) setClock() {
	r.sessions.step = swapped(r.t, clockCall, fmt.Sprintf("{redis.call('TIME')[1] + %.3f, redis.call('TIME')[2]}", time.Duration(r.ahead.Load()).Seconds()))
}

func (r *replica) open() {
	r.t.Helper()
	var err error
	r.journal, err = boltstore.Open(filepath.Join(r.dir, "journal.db"), boltstore.Options{Now: r.now})
	if err != nil {
		r.t.Fatal(err)
	}
	client := r.client()
	timeout := r.timeout
	if timeout == 0 {
		timeout = 20 * time.Second // on a busy machine
	}
	var logger *slog.Logger
	if r.logged != nil {
		logger = slog.New(slog.NewTextHandler(r.logged, nil))
	}
	r.log, err = OpenLog(r.t.Context(), LogConfig{
		Client: client, Journal: r.journal, Namespace: r.namespace, Sessions: r.expects, Timeout: timeout, Now: r.now, Logger: logger,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.sessions, err = NewSessions(Config{Client: client, Buckets: r.log.Buckets, Born: func(tokens.ID) time.Time {
		since, _ := r.log.Complete()
		return since.Add(-24 * time.Hour) // the suite's tokens are older than its Redis
	}, Timeout: timeout})
	if err != nil {
		r.t.Fatal(err)
	}
	r.data, err = NewData(Config{Client: client, Timeout: timeout})
	if err != nil {
		r.t.Fatal(err)
	}
	r.data.now = r.now
	r.setClock()
	r.close = func() error { return errors.Join(r.log.Close(), r.journal.Close(), ignoreClosed(client.Close())) }
}

func ignoreClosed(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}
