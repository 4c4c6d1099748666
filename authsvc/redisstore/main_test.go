package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
)

// quiet drops what go-redis logs about each failed dial.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m)
}

// never is a Redis that has forgotten nothing.
func never(tokens.ID) time.Time { return time.UnixMilli(0) }

func sessions(t testing.TB, client redis.UniversalClient) *Sessions {
	t.Helper()
	s, err := NewSessions(Config{Client: client, Born: never, Buckets: few})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// few is a number of buckets.
func few() uint32 { return 16 }

// kept is what a server keeps of a session, nil if nothing.
func kept(server *redistest.Server, sid tokens.ID) any {
	return server.Do("HGET", bucketKey(sid, few()), bucketField(sid))
}

// login is the refresh token of a session that is old enough to advance.
func login() authsvc.Presentation {
	return authsvc.Presentation{
		SessionID:  tokens.NewID(),
		IssuedAt:   time.Now().Add(-time.Minute).UnixMilli(),
		SessionEnd: time.Now().Add(12 * time.Hour),
	}
}

func successor(p authsvc.Presentation, o authsvc.Outcome) authsvc.Presentation {
	p.Generation, p.IssuedAt, p.ParentIssuedAt = o.Generation, o.IssuedAt, o.ParentIssuedAt
	return p
}

func present(t testing.TB, s *Sessions, p authsvc.Presentation, want authsvc.Verdict) authsvc.Outcome {
	t.Helper()
	out, err := s.Present(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if out.Verdict != want {
		t.Fatalf("%v, want %v", out.Verdict, want)
	}
	return out
}

// swapped is the step with one part of it replaced.
func swapped(t testing.TB, old, replacement string) *redis.Script {
	t.Helper()
	whole := stateScript + stepScript
	if n := strings.Count(whole, old); n != 1 {
		t.Fatalf("%q is %d times in the step", old, n)
	}
	return redis.NewScript(strings.Replace(whole, old, replacement, 1))
}

const clockCall = `redis.call('TIME')`

// The suite goes by the clock of Redis and a number of seconds beside it, so
// that nobody has to wait. Redis keeps on disk what it must not forget.
func TestSessions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	ahead := swapped(t, clockCall, `{redis.call('TIME')[1] + (redis.call('GET', 'sr:ahead') or 0), redis.call('TIME')[2]}`)
	storetest.RunSessions(t, func(t *testing.T) *storetest.Subject {
		server.Do("SET", "sr:ahead", 0)
		var passed time.Duration
		subject := &storetest.Subject{
			Now: func() time.Time {
				clock := server.Do("TIME").([]any)
				s, _ := strconv.ParseInt(fmt.Sprint(clock[0]), 10, 64)
				us, _ := strconv.ParseInt(fmt.Sprint(clock[1]), 10, 64)
				return time.Unix(s, us*1000).Add(passed)
			},
			Pass: func(d time.Duration) {
				passed += d
				server.Do("SET", "sr:ahead", strconv.FormatFloat(passed.Seconds(), 'f', 3, 64))
			},
		}
		begin := func() {
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
			s, err := NewSessions(Config{Client: client, Born: never, Buckets: few, Timeout: 10 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			s.step = ahead
			subject.Sessions, subject.Close = s, client.Close
		}
		subject.Restart = func(t *testing.T) {
			if err := subject.Close(); err != nil {
				t.Fatal(err)
			}
			server.Restart()
			begin()
		}
		begin()
		return subject
	})
}
