package redisstore

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestTenThousandPresentationsOfOneTokenHaveOneSuccessor(t *testing.T) {
	server := redistest.Start(t)
	const many, replicas = 10_000, 2
	var stores [replicas]*Sessions
	for i := range stores {
		stores[i] = sessions(t, server.Client(t))
		stores[i].timeout = 30 * time.Second // for all of them, on a busy machine
	}
	p := login()
	p.Grace = time.Minute / 2
	outcomes := make([]authsvc.Outcome, many)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range many {
		wg.Go(func() {
			<-start
			var err error
			if outcomes[i], err = stores[i%replicas].Present(context.Background(), p); err != nil {
				t.Errorf("presenting: %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	advances := 0
	for _, o := range outcomes {
		if o.Verdict == authsvc.Advance {
			advances++
		} else if o.Verdict != authsvc.Replay {
			t.Fatalf("somebody got %v", o.Verdict)
		}
		if successor(p, o) != successor(p, outcomes[0]) || o.Generation != 1 {
			t.Fatalf("two successors: %+v and %+v", o, outcomes[0])
		}
	}
	if advances != 1 {
		t.Errorf("advanced %d times", advances)
	}
}

func TestTheClockIsThatOfRedis(t *testing.T) {
	s := sessions(t, redistest.Start(t).Client(t))
	before := time.Now().UnixMilli()
	out := present(t, s, login(), authsvc.Advance)
	if out.IssuedAt < before || out.IssuedAt > time.Now().UnixMilli() {
		t.Errorf("issued at %d, it was %d", out.IssuedAt, before)
	}
}

// 10,000 generations, each with a retry id, leave one small key.
func TestALongChainTakesAsLittleAsAShortOne(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	s.step = swapped(t, clockCall, setClock)
	p := login()
	p.IssuedAt = time.Now().UnixMilli()
	now := p.IssuedAt
	key := stateKey(p.SessionID)
	client := server.Client(t)
	const length = 10_000
	for g := range length {
		now += authsvc.DefaultGrace.Milliseconds() + 1
		if err := client.HSet(t.Context(), "clock", "s", now/1000, "us", now%1000*1000).Err(); err != nil {
			t.Fatal(err)
		}
		p.RetryID = "attempt"
		out := present(t, s, p, authsvc.Advance)
		if out.Generation != uint32(g+1) || out.IssuedAt != now {
			t.Fatalf("generation %d: %+v", g+1, out)
		}
		p = successor(p, out)
	}
	if n := server.Do("MEMORY", "USAGE", key).(int64); n > 165 {
		t.Errorf("%d bytes", n)
	} else {
		t.Logf("%d bytes", n)
	}
	if end := server.Do("PEXPIRETIME", key).(int64); end != p.SessionEnd.Add(time.Minute).UnixMilli() {
		t.Errorf("kept until %d, the session ends at %d", end, p.SessionEnd.UnixMilli())
	}
	p.Generation, p.IssuedAt = 5, p.IssuedAt-1_000_000
	p.ParentIssuedAt = p.IssuedAt
	present(t, s, p, authsvc.Theft)
	if n := server.Do("MEMORY", "USAGE", key).(int64); n > 149 {
		t.Errorf("a tombstone of %d bytes", n)
	}
	if end := server.Do("PEXPIRETIME", key).(int64); end != p.SessionEnd.Add(time.Minute).UnixMilli() {
		t.Errorf("the tombstone is kept until %d, the session ends at %d", end, p.SessionEnd.UnixMilli())
	}
}

// All that Redis takes, with its tables of keys and of expiries, which MEMORY
// USAGE does not count.
func TestASessionTakesAtMost165BytesOfRedis(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client(t)
	s := sessions(t, client)
	if err := s.step.Load(t.Context(), client).Err(); err != nil {
		t.Fatal(err)
	}
	before := used(t, server)
	const many, batch = 1 << 15, 1 << 10 // a power of two: the tables are full
	for range many / batch {
		pipe := client.Pipeline()
		for range batch {
			p := login()
			p.Generation, p.RetryID = 1000, "attempt"
			p.ParentIssuedAt = p.IssuedAt - 300_000
			s.step.EvalSha(t.Context(), pipe, []string{stateKey(p.SessionID)}, arguments(p, authsvc.Params{Adopt: true}, math.MaxInt64)...)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.Do("DBSIZE").(int64); n != many {
		t.Fatalf("%d keys", n)
	}
	each := float64(used(t, server)-before) / many
	t.Logf("%.1f bytes", each)
	if each > 165 {
		t.Errorf("%.1f bytes for each session", each)
	}
}

// used is what Redis has allocated, without what serves its connections.
func used(t *testing.T, server *redistest.Server) int64 {
	t.Helper()
	stats := server.Do("MEMORY", "STATS").(map[any]any)
	n := stats["dataset.bytes"].(int64)
	tables, _ := stats["db.0"].(map[any]any) // none while it is empty
	for _, bytes := range tables {
		n += bytes.(int64)
	}
	return n
}

func TestNothingIsKeptBeforeTheFirstRefresh(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	p := login()
	p.IssuedAt = time.Now().UnixMilli()
	present(t, s, p, authsvc.Same)
	if n := server.Do("DBSIZE"); n != int64(0) {
		t.Errorf("%d keys", n)
	}
}

func TestSessionsOfAClusterAreKeptByAllOfIt(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	s := sessions(t, cluster.Client(t))
	s.timeout = 10 * time.Second // the client has to find all servers first
	owners := map[string]bool{}
	for range 30 {
		first := login()
		second := successor(first, present(t, s, first, authsvc.Advance))
		if got := successor(first, present(t, s, first, authsvc.Replay)); got != second {
			t.Fatalf("two successors: %+v and %+v", got, second)
		}
		owner := cluster.Owner(stateKey(first.SessionID))
		if n := owner.Do("EXISTS", stateKey(first.SessionID)); n != int64(1) {
			t.Error("its owner does not have the state")
		}
		owners[owner.Addr()] = true
		old := first
		old.IssuedAt -= time.Hour.Milliseconds()
		present(t, s, old, authsvc.Theft)
		present(t, s, second, authsvc.Revoked)
	}
	if len(owners) != 3 {
		t.Errorf("%d servers own all", len(owners))
	}
}

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
			if n := server.Do("EXISTS", stateKey(p.SessionID)); n != c.kept {
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

// lastArg keeps the last argument of each command.
type lastArg struct{ value any }

func (l *lastArg) DialHook(next redis.DialHook) redis.DialHook { return next }
func (l *lastArg) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		l.value = args[len(args)-1]
		return next(ctx, cmd)
	}
}
func (l *lastArg) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestHalfOfTheTimeIsLeftForTheAnswer(t *testing.T) {
	client := redistest.Start(t).Client(t)
	sent := new(lastArg)
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

func TestWhatIsNoStateIsAFaultAndNoVerdict(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	for _, value := range []string{"", "x", "s", "x1234567", "x123456789", "s123456789012345", "s12345678901234567", "s12345678",
		"s1234567890123456123456789", "x1234567890123456", "y1234567890123456", "y12345678"} {
		p := login()
		server.Do("SET", stateKey(p.SessionID), value)
		if out, err := s.Present(t.Context(), p); !errors.Is(err, ErrUnavailable) || out != (authsvc.Outcome{}) {
			t.Errorf("%q: %+v, %v", value, out, err)
		}
		if got := server.Do("GET", stateKey(p.SessionID)); got != value {
			t.Errorf("%q became %q", value, got)
		}
	}
	p := login()
	server.Do("LPUSH", stateKey(p.SessionID), "1")
	if _, err := s.Present(t.Context(), p); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a list: %v", err)
	}
}

func TestARevocationIsToldAsItWasDecided(t *testing.T) {
	s := sessions(t, redistest.Start(t).Client(t))
	p := login()
	p.Generation = 3
	p.ParentIssuedAt = p.IssuedAt - 1
	present(t, s, p, authsvc.Advance)
	old := p
	old.Generation = 1
	before := time.Now()
	stolen := present(t, s, old, authsvc.Theft)
	want := revocation.SessionEntry(p.SessionID, before, p.SessionEnd)
	if late := stolen.Revocation.T - want.T; late > 2 {
		t.Errorf("revoked at %d, it was %d", stolen.Revocation.T, want.T)
	}
	want.T = stolen.Revocation.T
	if stolen.Revocation != want {
		t.Errorf("%+v, want %+v", stolen.Revocation, want)
	}
	if again := present(t, s, p, authsvc.Revoked); again.Revocation != want {
		t.Errorf("%+v, want %+v", again.Revocation, want)
	}
}

func TestBornDecidesOnATokenOfAnUnknownSession(t *testing.T) {
	client := redistest.Start(t).Client(t)
	p := login()
	born := time.UnixMilli(p.IssuedAt)
	var asked tokens.ID
	cfg := Config{Client: client, Born: func(sid tokens.ID) time.Time { asked = sid; return born.Add(time.Millisecond) }}
	s, err := NewSessions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	present(t, s, p, authsvc.StateLost)
	if asked != p.SessionID {
		t.Errorf("asked for %v", asked)
	}
	cfg.AdoptLost = true
	adopting, err := NewSessions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	q := p
	q.SessionID = tokens.NewID()
	present(t, adopting, q, authsvc.Advance)
	born = born.Add(-time.Millisecond)
	present(t, s, p, authsvc.Advance)
}

func TestTimesThatAStateHasNoRoomForAreRefused(t *testing.T) {
	s := sessions(t, redistest.Start(t).Client(t))
	p := login()
	p.IssuedAt = latest + 1
	if _, err := s.Present(t.Context(), p); !errors.Is(err, authsvc.ErrBadPresentation) {
		t.Error(err)
	}
	p.IssuedAt = latest
	present(t, s, p, authsvc.Same)
}

func TestAnAnswerThatIsNoneIsAFault(t *testing.T) {
	for _, answer := range [][]int64{{}, {0}, {1}, {0, 1, 9}, {1, 2, 3, 9}, {4, 9}, {4, 1, 2, 3, 9}, {6, 1, 9},
		{7, 1, 2, 3, 9}, {257, 1, 2, 3, 9}, {-255, 1, 2, 3, 9}} {
		if out, _, err := outcome(tokens.ID{1}, answer); !errors.Is(err, ErrUnavailable) || out != (authsvc.Outcome{}) {
			t.Errorf("%v: %+v, %v", answer, out, err)
		}
	}
}

func TestUnusableConfigurationsAreRefused(t *testing.T) {
	prompt := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})
	slow := redis.NewClient(&redis.Options{})
	slowCluster := redis.NewClusterClient(&redis.ClusterOptions{})
	ring := redis.NewRing(&redis.RingOptions{})
	for _, c := range []redis.UniversalClient{prompt, slow, slowCluster, ring} {
		defer c.Close()
	}
	if _, err := NewSessions(Config{Client: prompt, AdoptLost: true}); err != nil {
		t.Fatal(err)
	}
	for part, cfg := range map[string]Config{
		"Client":                {Born: never},
		"Born":                  {Client: prompt},
		"Timeout":               {Client: prompt, Born: never, Timeout: -1},
		"ContextTimeoutEnabled": {Client: slow, Born: never},
		"must have":             {Client: slowCluster, Born: never},
		"Ring":                  {Client: ring, Born: never},
	} {
		if _, err := NewSessions(cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}
