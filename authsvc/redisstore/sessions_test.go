package redisstore

import (
	"context"
	"errors"
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
		stores[i].timeout = 2 * time.Minute // for all of them, on a busy machine
	}
	p := login()
	p.Grace = 50 * time.Second // within which they all come
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
		owner := cluster.Owner(bucketKey(first.SessionID, few()))
		if kept(owner, first.SessionID) == nil {
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

func TestWhatIsNoStateIsAFaultAndNoVerdict(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	for _, size := range []int{0, 1, 2, 3, tombBytes - 1, tombBytes + 1, 17, 19, 24, 26, 64, 1000} {
		p := login()
		value := strings.Repeat("x", size)
		server.Do("HSET", bucketKey(p.SessionID, few()), bucketField(p.SessionID), value)
		if out, err := s.Present(t.Context(), p); !errors.Is(err, ErrUnavailable) || out != (authsvc.Outcome{}) {
			t.Errorf("%q: %+v, %v", value, out, err)
		}
		if out, err := s.Settle(t.Context(), p, time.Now()); !errors.Is(err, ErrUnavailable) || out != (authsvc.Outcome{}) {
			t.Errorf("settling on %q: %+v, %v", value, out, err)
		}
		if got := kept(server, p.SessionID); got != value {
			t.Errorf("%q became %q", value, got)
		}
	}
	server.Do("FLUSHALL")
	p := login()
	server.Do("LPUSH", bucketKey(p.SessionID, few()), "1")
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
	cfg := Config{Client: client, Buckets: few, Born: func(sid tokens.ID) time.Time { asked = sid; return born.Add(time.Millisecond) }}
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
	p = login()
	p.Generation, p.ParentIssuedAt = 1, p.IssuedAt-longest-1
	if _, err := s.Present(t.Context(), p); !errors.Is(err, authsvc.ErrBadPresentation) {
		t.Error(err)
	}
	p.ParentIssuedAt++
	p.IssuedAt += 2 * time.Minute.Milliseconds() // taken over as it is
	p.ParentIssuedAt += 2 * time.Minute.Milliseconds()
	present(t, s, p, authsvc.Same)
	if got := present(t, s, p, authsvc.Same); got.ParentIssuedAt != p.ParentIssuedAt {
		t.Errorf("%+v, want %+v", got, p)
	}
}

func TestAnAnswerThatIsNoneIsAFault(t *testing.T) {
	for _, answer := range [][]int64{{}, {0}, {1}, {0, 1, 9}, {1, 2, 2, 3, 9}, {4, 9}, {4, 3, 1, 2, 9}, {5, 1, 1, 2, 3, 9}, {6, 1, 9},
		{7, 2, 1, 2, 3, 9}, {257, 2, 1, 2, 3, 9}, {-255, 2, 1, 2, 3, 9}} {
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
	if _, err := NewSessions(Config{Client: prompt, Buckets: few, AdoptLost: true}); err != nil {
		t.Fatal(err)
	}
	for part, cfg := range map[string]Config{
		"Client":                {Born: never, Buckets: few},
		"Born":                  {Client: prompt, Buckets: few},
		"Buckets":               {Client: prompt, Born: never},
		"Timeout":               {Client: prompt, Born: never, Buckets: few, Timeout: -1},
		"ContextTimeoutEnabled": {Client: slow, Born: never, Buckets: few},
		"must have":             {Client: slowCluster, Born: never, Buckets: few},
		"Ring":                  {Client: ring, Born: never, Buckets: few},
	} {
		if _, err := NewSessions(cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}
