package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

func TestAFrozenRedisHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	warm, cold := sessions(t, server.Client(t)), sessions(t, server.Client(t))
	present(t, warm, login(), authsvc.Advance)
	p := login()
	server.Stop()
	for name, s := range map[string]*Sessions{"with a connection": warm, "without a connection": cold} {
		started := time.Now()
		_, err := s.Present(t.Context(), p)
		if took := time.Since(started); took > DefaultTimeout+300*time.Millisecond { // what a busy machine adds
			t.Errorf("%s: waited %v", name, took)
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	if _, err := warm.Present(ctx, p); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) > DefaultTimeout {
		t.Errorf("with a deadline of its own: %v after %v", err, time.Since(started))
	}
	server.Cont()
	warm.timeout = 10 * time.Second
	present(t, warm, p, authsvc.Advance) // none of those steps was made
}

func TestNobodyWaitsForARedisThatIsKnownToBeAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	away := true
	s, err := NewSessions(Config{Client: server.Client(t), Born: never, Buckets: few, Away: func() bool { return away }})
	if err != nil {
		t.Fatal(err)
	}
	server.Do("CONFIG", "RESETSTAT")
	if _, err := s.Present(t.Context(), login()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("away: %v", err)
	}
	if stats := fmt.Sprint(server.Do("INFO", "commandstats")); strings.Contains(stats, "cmdstat_eval") {
		t.Errorf("it was asked all the same: %s", stats)
	}
	away = false
	present(t, s, login(), authsvc.Advance)
}

// A Redis that goes on makes the steps that waited for it, unless they know
// that nobody waits for them any more. The first case shows what would be.
func TestAStepThatIsGivenUpIsNotMadeLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		guard string
		kept  int64
	}{
		"without a deadline": {"if false then return {LATE", 1},
		"with its deadline":  {"if stamp > deadline then return {LATE", 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			s := sessions(t, server.Client(t))
			s.step = swapped(t, "if stamp > deadline then return {LATE", c.guard)
			present(t, s, login(), authsvc.Advance)
			made := evals(server)
			p := login()
			server.Stop()
			if _, err := s.Present(t.Context(), p); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			server.Cont()
			for limit := time.Now().Add(10 * time.Second); evals(server) == made; {
				if time.Now().After(limit) {
					t.Fatal("the step never came to its turn")
				}
			}
			if n := server.Do("HEXISTS", bucketKey(p.SessionID, few()), bucketField(p.SessionID)); n != c.kept {
				t.Errorf("%d states", n)
			}
		})
	}
}

// evals tells how many steps came to their turn.
func evals(server *redistest.Server) string {
	_, after, _ := strings.Cut(server.Do("INFO", "commandstats").(string), "cmdstat_evalsha:calls=")
	calls, _, _ := strings.Cut(after, ",")
	return calls
}

// lastButOne keeps that argument of each command.
type lastButOne struct{ value any }

func (l *lastButOne) DialHook(next redis.DialHook) redis.DialHook { return next }
func (l *lastButOne) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		l.value = args[len(args)-2]
		return next(ctx, cmd)
	}
}
func (l *lastButOne) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestHalfOfTheTimeIsLeftForTheAnswer(t *testing.T) {
	client := redistest.Start(t).Client(t)
	sent := new(lastButOne)
	client.AddHook(sent)
	s := sessions(t, client)
	s.timeout = time.Minute
	present(t, s, login(), authsvc.Advance)
	started := time.Now()
	present(t, s, login(), authsvc.Advance)
	left := sent.value.(int64) - started.UnixMilli()
	if left < 20_000 || left > 31_000 {
		t.Errorf("of a minute, %d ms are for the step", left)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := s.Present(ctx, login()); err != nil {
		t.Fatal(err)
	}
	if left := sent.value.(int64) - started.UnixMilli(); left < 5000 || left > 15_000 {
		t.Errorf("of 20 seconds, %d ms are for the step", left)
	}
}

func TestTheTimeInRedisIsNeverOverestimated(t *testing.T) {
	var c clock
	if c.in(time.Hour) != 0 {
		t.Error("known before the first answer")
	}
	c.set(5000)
	if got := c.in(time.Second); got < 6000 || got > 16000 {
		t.Errorf("in a second: %d", got)
	}
	c.last.Store(&reading{5000, time.Now().Add(-time.Minute)})
	if got := c.in(0); got < 65000 || got > 75000 {
		t.Errorf("a minute later: %d", got)
	}
}

// A server with another clock, as after a failover, costs one more try.
func TestAnotherClockIsLearnt(t *testing.T) {
	s := sessions(t, redistest.Start(t).Client(t))
	s.timeout = 10 * time.Second
	for _, ms := range []int64{1, time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(time.Hour).UnixMilli()} {
		s.clock.set(ms)
		present(t, s, login(), authsvc.Advance)
		if got := s.clock.in(0) - time.Now().UnixMilli(); got > 1000 || got < -5000 {
			t.Errorf("after %d the clock is %d ms ahead", ms, got)
		}
	}
}

func TestARedisThatIsGoneIsUnavailable(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	server.Kill9()
	started := time.Now()
	_, err := s.Present(t.Context(), login())
	if !errors.Is(err, ErrUnavailable) || time.Since(started) > DefaultTimeout+300*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(started))
	}
}
