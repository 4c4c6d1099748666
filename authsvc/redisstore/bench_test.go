package redisstore

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
)

// ownKeys is what state.lua would be if each state were a key of its own: what
// the buckets are compared with.
const ownKeys = `
local clock = redis.call('TIME')
local stamp = clock[1] * 1000 + math.floor(clock[2] / 1000)
local UNCLAIMED = string.rep('\255', 8)
local function held()
	local value = redis.call('GET', KEYS[1])
	if not value then return end
	if string.sub(value, 1, 1) == 'x' then return 'x', struct.unpack('>I4I4', value, 2) end
	local cg, ct, cp = struct.unpack('>I4I6I6', value, 2)
	return 's', cg, ct, cp, string.sub(value, 18)
end
local function damaged() end
local function put(exp, value) redis.call('SET', KEYS[1], value, 'PXAT', (exp + 60) * 1000) end
local function putState(exp, cg, ct, cp, rh) put(exp, 's' .. struct.pack('>I4I6I6', cg, ct, cp) .. rh) end
local function putTomb(t, exp) put(exp, 'x' .. struct.pack('>I4I4', t, exp)) end
`

// BenchmarkStep is what a step takes in Redis, by its own count: the first of a
// session, and each later one. Beside it what it would take with a key for each
// session. They take turns, so that the ratios hold on a busy machine too.
func BenchmarkStep(b *testing.B) {
	own := func(sid tokens.ID) string { return "sr:f:" + string(sid[:]) }
	ways := []*way{
		{name: "own-key", state: ownKeys, bucket: own},
		{name: "64-a-bucket", state: stateScript, bucket: spread(benched / 64)},
		{name: "1024-a-bucket", state: stateScript, bucket: spread(benched / 1024)},
		{name: "1-a-bucket", state: stateScript, bucket: own},
	}
	for _, w := range ways {
		w.start(b)
	}
	var ratios []float64
	for b.Loop() {
		for _, w := range ways {
			w.later = append(w.later, w.round(b))
		}
		last := len(ratios)
		ratios = append(ratios, ways[1].later[last]/ways[0].later[last])
	}
	for _, w := range ways {
		b.ReportMetric(w.first, "µs-first-"+w.name)
		b.ReportMetric(median(w.later), "µs-later-"+w.name)
	}
	b.ReportMetric(median(ratios), "64-a-bucket/own-key")
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

const benched = 1 << 14 // sessions

// way is one to keep states.
type way struct {
	name   string
	state  string
	bucket func(tokens.ID) string

	server *redistest.Server
	client *redis.Client
	script *redis.Script
	shown  []authsvc.Presentation
	now    int64
	first  float64   // µs of a step
	later  []float64 // and in each round after that
}

func (w *way) start(b *testing.B) {
	w.server = redistest.Start(b)
	w.client, w.now = w.server.Client(b), base
	w.script = redis.NewScript(strings.Replace(w.state, clockCall, setClock, 1) + stepScript)
	if err := w.script.Load(b.Context(), w.client).Err(); err != nil {
		b.Fatal(err)
	}
	for range benched {
		w.shown = append(w.shown, authsvc.Presentation{SessionID: tokens.NewID(), IssuedAt: base, SessionEnd: time.UnixMilli(base).AddDate(1, 0, 0)})
	}
	w.first = w.round(b)
}

// round refreshes each session once, and returns how long a step took on average.
func (w *way) round(b *testing.B) float64 {
	ctx := b.Context()
	w.now += authsvc.DefaultGrace.Milliseconds() + 1
	w.server.Do("HSET", "sr:clock", "s", w.now/1000, "us", w.now%1000*1000)
	w.server.Do("CONFIG", "RESETSTAT")
	for batch := 0; batch < len(w.shown); batch += 1024 {
		pipe := w.client.Pipeline()
		answers := make([]*redis.Cmd, 1024)
		for i := range answers {
			p := w.shown[batch+i]
			p.Retry = authsvc.RetryHash(p.SessionID, "attempt")
			answers[i] = w.script.EvalSha(ctx, pipe, []string{w.bucket(p.SessionID)}, arguments(p, authsvc.Params{Adopt: true}, math.MaxInt64)...)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err)
		}
		for i := range answers {
			answer, _ := answers[i].Int64Slice()
			p := &w.shown[batch+i]
			out, _, err := outcome(p.SessionID, answer)
			if err != nil || out.Verdict != authsvc.Advance {
				b.Fatalf("%+v, %v", out, err)
			}
			*p = successor(*p, out)
		}
	}
	_, stats, _ := strings.Cut(w.server.Do("INFO", "commandstats").(string), "cmdstat_evalsha:")
	var calls, took int
	if _, err := fmt.Sscanf(stats, "calls=%d,usec=%d,", &calls, &took); err != nil || calls != len(w.shown) {
		b.Fatalf("%d calls: %v", calls, err)
	}
	return float64(took) / float64(calls)
}
