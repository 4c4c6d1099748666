package redisstore

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// 10,000 generations, each with a retry id, leave what two leave.
func TestALongChainTakesAsLittleAsAShortOne(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	s.step = timed(stepScript)
	p := login()
	p.IssuedAt, p.SessionEnd = time.Now().UnixMilli(), time.Now().AddDate(0, 0, 2)
	now := p.IssuedAt
	client := server.Client(t)
	const length = 10_000
	var short int64
	for g := range length {
		now += authsvc.DefaultGrace.Milliseconds() + 1
		if err := client.HSet(t.Context(), "sr:clock", "s", now/1000, "us", now%1000*1000).Err(); err != nil {
			t.Fatal(err)
		}
		p.Retry = authsvc.RetryHash(p.SessionID, "attempt")
		out := present(t, s, p, authsvc.Advance)
		if out.Generation != uint32(g+1) || out.IssuedAt != now {
			t.Fatalf("generation %d: %+v", g+1, out)
		}
		p = successor(p, out)
		if g == 1 {
			short = usage(server, p.SessionID)
		}
	}
	if n := usage(server, p.SessionID); n != short || n > 165 {
		t.Errorf("%d bytes, after two refreshes %d", n, short)
	}
	if n := server.Do("DBSIZE"); n != int64(2) { // the bucket and the clock
		t.Errorf("%d keys", n)
	}
	ends(t, server, p.SessionID, p.SessionEnd)
	p.Generation, p.IssuedAt = 5, p.IssuedAt-1_000_000
	p.ParentIssuedAt = p.IssuedAt
	present(t, s, p, authsvc.Theft)
	if n := usage(server, p.SessionID); n > short {
		t.Errorf("a tombstone of %d bytes", n)
	}
	ends(t, server, p.SessionID, p.SessionEnd)
}

// usage is what Redis says of the bucket of a session.
func usage(server *redistest.Server, sid tokens.ID) int64 {
	return server.Do("MEMORY", "USAGE", bucketKey(sid, few())).(int64)
}

// ends fails unless the bucket of a session stays until its end and little longer.
func ends(t *testing.T, server *redistest.Server, sid tokens.ID, end time.Time) {
	t.Helper()
	kept := time.UnixMilli(server.Do("PEXPIRETIME", bucketKey(sid, few())).(int64)).Sub(end)
	if kept < time.Minute || kept > time.Minute+time.Second+unit*time.Millisecond {
		t.Errorf("kept for %v after the end", kept)
	}
}

// All that Redis takes, with its tables of keys and of expiries and what its
// allocator rounds up, not what MEMORY USAGE makes of it.
func TestBytesOfASessionInRedis(t *testing.T) {
	many := 1 << 15 // a power of two: the tables are full
	if os.Getenv("SEALRING_FULL") != "" {
		many = 1 << 20
	}
	state := func(p authsvc.Presentation) (*redis.Script, []any) {
		return redis.NewScript(stateScript + stepScript), arguments(p, authsvc.Params{Adopt: true}, math.MaxInt64)
	}
	tomb := func(p authsvc.Presentation) (*redis.Script, []any) {
		e := revocation.SessionEntry(p.SessionID, time.Now(), p.SessionEnd)
		return redis.NewScript(stateScript + tombScript), tombArguments(e)
	}
	for _, c := range []struct {
		name   string
		write  func(authsvc.Presentation) (*redis.Script, []any)
		bucket func(tokens.ID) string
		most   float64
	}{
		{"as many as were expected", state, spread(many / perBucket), 50},
		{"a quarter of them", state, spread(4 * many / perBucket), 58},
		{"ten times as many", state, spread(many / perBucket / 10), 100},
		{"each alone in its bucket", state, alone(), 165},
		{"revoked, as many as were expected", tomb, spread(many / perBucket), 32},
		{"revoked, each alone", tomb, alone(), 165},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := redistest.Start(t)
			fill(t, server, 1<<10, spread(1), c.write) // what it needs for its first work
			server.Do("FLUSHALL")
			before := used(t, server)
			fill(t, server, many, c.bucket, c.write)
			each := float64(used(t, server)-before) / float64(many)
			t.Logf("%.1f bytes", each)
			if each > c.most {
				t.Errorf("%.1f bytes for each session, at most %.0f", each, c.most)
			}
		})
	}
}

// spread puts sessions into so many buckets, alone each into one of its own.
func spread(buckets int) func(tokens.ID) string {
	return func(sid tokens.ID) string { return bucketKey(sid, uint32(max(1, buckets))) }
}

func alone() func(tokens.ID) string {
	n := 0
	return func(tokens.ID) string { n++; return "sr:b:" + strconv.Itoa(n) }
}

// fill runs a script for so many sessions.
func fill(t *testing.T, server *redistest.Server, many int, bucket func(tokens.ID) string, write func(authsvc.Presentation) (*redis.Script, []any)) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	script, _ := write(login())
	if err := script.Load(t.Context(), client).Err(); err != nil {
		t.Fatal(err)
	}
	const batch = 1 << 10
	for range many / batch {
		pipe := client.Pipeline()
		for range batch {
			p := login()
			p.Generation, p.Retry = 1000, authsvc.RetryHash(p.SessionID, "attempt")
			p.ParentIssuedAt = p.IssuedAt - 300_000
			_, args := write(p)
			script.EvalSha(t.Context(), pipe, []string{bucket(p.SessionID)}, args...)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// used is what Redis has allocated, while nobody else is connected to it.
func used(t *testing.T, server *redistest.Server) int64 {
	t.Helper()
	eventually(t, "the others are gone", func() bool { return info(server, "clients", "connected_clients") == 1 })
	return info(server, "memory", "used_memory")
}

// info is a number of INFO.
func info(server *redistest.Server, section, name string) int64 {
	_, after, _ := strings.Cut(server.Do("INFO", section).(string), "\n"+name+":")
	value, _, _ := strings.Cut(after, "\r")
	n, _ := strconv.ParseInt(value, 10, 64)
	return n
}

// Sessions that have ended make room, although nothing ends them by itself:
// where sessions come and go there is little beside the living.
func TestEndedSessionsMakeRoom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		living, buckets int
		most            float64 // bytes for each of the living
	}{
		"as many as were expected": {1 << 14, 1 << 14 / perBucket, 53}, // 48 to 50: which buckets were swept last is chance
		"few":                      {1 << 8, 1 << 7, 165},
		"eight times as many":      {1 << 14, 1 << 11 / perBucket, 110},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			comeAndGo(t, server, 1<<10, 1)
			server.Do("FLUSHALL")
			before := used(t, server)
			living := comeAndGo(t, server, c.living, c.buckets)
			each := float64(used(t, server)-before) / living
			states := 0
			for _, key := range server.Do("KEYS", "sr:b:*").([]any) {
				states += int(server.Do("HLEN", key).(int64))
			}
			t.Logf("%.0f sessions, %d states, %.1f bytes for each session", living, states, each)
			if each > c.most || float64(states) < living {
				t.Errorf("%.0f sessions, %d states, %.1f bytes for each session, at most %.0f", living, states, each, c.most)
			}
		})
	}
}

// comeAndGo is two lives long, which are so long that so many sessions live at
// a time. It returns how many live in the end, or ended so shortly before that
// they are kept.
func comeAndGo(t *testing.T, server *redistest.Server, living, buckets int) float64 {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	step := timed(stepScript)
	if err := step.Load(t.Context(), client).Err(); err != nil {
		t.Fatal(err)
	}
	const batch, life = 64, 12 * time.Hour
	now := time.UnixMilli(base)
	for range 2 * living / batch {
		pipe := client.Pipeline()
		for range batch {
			now = now.Add(life / time.Duration(living))
			p := login()
			p.IssuedAt, p.SessionEnd, p.Retry = now.Add(-time.Minute).UnixMilli(), now.Add(life), authsvc.RetryHash(p.SessionID, "attempt")
			pipe.HSet(t.Context(), "sr:clock", "s", now.Unix(), "us", now.Nanosecond()/1000)
			step.EvalSha(t.Context(), pipe, []string{bucketKey(p.SessionID, uint32(buckets))}, arguments(p, authsvc.Params{Adopt: true}, math.MaxInt64)...)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	linger := time.Minute + unit*time.Millisecond/2
	return float64(living) * float64(life+linger) / float64(life)
}

// A bucket stays for the longest of its sessions, and goes by itself.
func TestABucketStaysUntilItsLastSessionEnds(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	s.buckets = func() uint32 { return 1 }
	till := func() time.Duration {
		return time.Until(time.UnixMilli(server.Do("PEXPIRETIME", "sr:b:0").(int64))).Round(time.Hour)
	}
	hours := func(n time.Duration) authsvc.Presentation {
		p := login()
		p.SessionEnd = time.Now().Add(n * time.Hour)
		return p
	}
	longest := hours(30)
	for _, c := range []struct {
		p    authsvc.Presentation
		want time.Duration
	}{{hours(10), 10}, {hours(20), 20}, {hours(5), 20}, {longest, 30}, {hours(1), 30}} {
		present(t, s, c.p, authsvc.Advance)
		if got := till(); got != c.want*time.Hour {
			t.Errorf("kept for %v, want %d hours", got, c.want)
		}
	}
	// A revocation that matters longer than the state that it takes the place of.
	e := revocation.SessionEntry(longest.SessionID, time.Now(), time.Now().Add(40*time.Hour))
	if err := newTombs(s.client, s.buckets).write(t.Context(), []revocation.Entry{e}); err != nil {
		t.Fatal(err)
	}
	if got := till(); got != 40*time.Hour {
		t.Errorf("kept for %v, the tombstone matters for 40 hours", got)
	}
}

// What is swept out is what has ended, nothing else: no living neighbour, and
// nothing that can not be read.
func TestOnlyWhatHasEndedIsSweptOut(t *testing.T) {
	server := redistest.Start(t)
	s := sessions(t, server.Client(t))
	s.buckets = func() uint32 { return 1 }
	now := time.Now().UnixMilli()
	for field, value := range map[string]string{
		"short": "\x00\x00", "empty": "", "damaged": strings.Repeat("\xff", 19),
		"ended": encode(authsvc.State{Known: true}, now-2*unit), "buried": encode(authsvc.State{Dead: revocation.Entry{Type: revocation.Session}}, now-2*unit),
		"living": encode(authsvc.State{Known: true}, now+2*unit), "dead": encode(authsvc.State{Dead: revocation.Entry{Type: revocation.Session}}, now+2*unit),
	} {
		server.Do("HSET", "sr:b:0", field, value)
	}
	p := login()
	present(t, s, p, authsvc.Advance)
	for field, want := range map[string]int64{"short": 1, "empty": 1, "damaged": 1, "ended": 0, "buried": 0, "living": 1, "dead": 1, bucketField(p.SessionID): 1} {
		if got := server.Do("HEXISTS", "sr:b:0", field); got != want {
			t.Errorf("%q: %d, want %d", field, got, want)
		}
	}
}
