package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens"
)

const base = 1_900_000_000_000 // ms

// event is one presentation in a history, and what authsvc.Step makes of it.
type event struct {
	put    *string // what Redis comes to hold just before: "" nothing; nil: what it held
	shown  authsvc.Presentation
	params authsvc.Params
	now    int64 // of the clock
	at     int64 // settled, and when it was granted; 0: presented
	want   authsvc.Outcome
	value  string // that is kept afterwards
	over   bool   // the session has ended: what is kept of it does not count
}

// encode is the value of a state that is kept until a moment.
func encode(s authsvc.State, till int64) string {
	big := binary.BigEndian
	v := big.AppendUint32(nil, uint32(till/unit))[1:]
	switch {
	case s.Dead.Type != 0:
		return string(big.AppendUint32(big.AppendUint32(v, s.Dead.T), s.Dead.Exp))
	case !s.Known:
		return ""
	}
	v = big.AppendUint32(v, s.Generation)
	v = append(v, big.AppendUint64(nil, uint64(s.IssuedAt))[2:]...)
	v = append(v, big.AppendUint64(nil, uint64(s.IssuedAt-s.ParentIssuedAt))[3:]...)
	if s.Retry != [8]byte{} {
		v = append(v, s.Retry[:retryBytes]...)
	}
	return string(v)
}

const (
	unit      = 1 << 18 // ms, to which ends are rounded up
	tombBytes = 11      // of a value that is a tombstone
)

// dice is what a history is made of.
type dice func(label string, n int) int // 0 … n-1

func drawn(t *rapid.T) dice {
	return func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }
}

// life is a session, whose tokens are presented by whoever, and what the store
// should keep of it.
type life struct {
	grace  int64
	end    time.Time
	state  authsvc.State
	past   []authsvc.State
	issued []authsvc.Presentation
	over   bool
}

// till is when its state may go.
func (l *life) till() int64 {
	exp := (l.end.UnixMilli() + 999) / 1000
	return ((exp+60)*1000 + unit - 1) / unit * unit
}

// player makes a history of several sessions at a time, in a store that forgets,
// by a clock that jumps.
type player struct {
	roll  dice
	now   int64
	floor int64 // the clock goes back no further: a session has ended
	all   []*life
	*life // whose turn it is
}

func history(roll dice, steps int) []event {
	pl := &player{roll: roll, now: base}
	for range 1 + roll("sessions", 8) {
		pl.life = new(life)
		pl.all = append(pl.all, pl.life)
		pl.login()
	}
	events := make([]event, steps)
	for i := range events {
		pl.life = pl.all[pl.roll("turn", len(pl.all))]
		if (pl.over || pl.state.Dead.Type != 0) && pl.roll("bury", 2) == 0 {
			pl.login()
		}
		fresh := pl.loss()
		events[i] = pl.step(fresh)
	}
	return events
}

func (pl *player) login() {
	end := time.UnixMilli(pl.now).Add(time.Duration(1+pl.roll("life", 4)) * 12 * time.Hour).Add(time.Duration(pl.roll("end", 2)))
	grace := []int64{2, 1000, authsvc.DefaultGrace.Milliseconds()}[pl.roll("grace", 3)]
	*pl.life = life{grace: grace, end: end, issued: []authsvc.Presentation{{
		SessionID: tokens.NewID(), IssuedAt: pl.now, SessionEnd: end, Grace: time.Duration(grace) * time.Millisecond,
	}}}
}

// loss lets the store forget everything of the session or its last writes, once
// in a while.
func (pl *player) loss() *string {
	switch pl.roll("loss", 16) {
	case 0:
		pl.state = authsvc.State{}
	case 1:
		if len(pl.past) == 0 || pl.over {
			return nil
		}
		pl.state = pl.past[pl.roll("back to", len(pl.past))]
	default:
		return nil
	}
	value := encode(pl.state, pl.till())
	return &value
}

func (pl *player) step(put *string) event {
	pl.tick()
	e := event{put: put, shown: pl.token(), now: pl.now, over: pl.over}
	e.params.Born = e.shown.IssuedAt - int64(pl.roll("age of the store", 8)) + 1 // one in eight is too old
	e.params.Adopt = pl.roll("adopt", 8) == 0
	if pl.roll("settle", 5) == 0 {
		return pl.settle(e)
	}
	forced := max(e.now, e.shown.IssuedAt+1)
	if pl.state.Known {
		forced = max(e.now, pl.state.IssuedAt+1)
	}
	pl.state, e.want = authsvc.Step(pl.state, e.shown, e.params, forced)
	if e.want.Verdict == authsvc.Advance {
		next := successor(e.shown, e.want)
		next.Retry, next.Bound = [8]byte{}, false
		pl.issued = append(pl.issued, next)
	}
	return pl.keep(e)
}

// keep notes what the store should hold now.
func (pl *player) keep(e event) event {
	if pl.over {
		pl.state = authsvc.State{}
		return e
	}
	pl.past = append(pl.past, pl.state)
	e.value = encode(pl.state, pl.till())
	return e
}

// settle judges a presentation afterwards, near a moment that could matter.
func (pl *player) settle(e event) event {
	from := []int64{pl.now, pl.state.IssuedAt, pl.state.ParentIssuedAt}[pl.roll("from", 3)]
	e.at = max(1, from+pl.near("granted"))
	pl.state, e.want = authsvc.Settle(pl.state, e.shown, e.at)
	return pl.keep(e)
}

// near is a length of time at one of the edges of the grace, or anywhere.
func (pl *player) near(label string) int64 {
	edges := []int64{0, 1, pl.grace - 1, pl.grace, pl.grace + 1, 2 * pl.grace}
	if i := pl.roll(label, len(edges)+2); i < len(edges) {
		return edges[i]
	}
	return int64(pl.roll(label+" ms", int(3*pl.grace)))
}

func (pl *player) tick() {
	switch pl.roll("tick", 16) {
	case 0: // the clock went back
		pl.now = max(pl.floor, pl.now-pl.near("back"))
	case 1, 2, 3, 4, 5: // to an edge of the newest token's time
		pl.now = max(pl.now, pl.state.IssuedAt+pl.near("after"))
	case 6: // to the end of the session
		if pl.roll("end", 8) == 0 {
			pl.now = max(pl.now, pl.till()-1+int64(pl.roll("ms", 3)))
		}
	default:
		pl.now += pl.near("later")
	}
	for _, l := range pl.all {
		if !l.over && l.till() < pl.now {
			l.over, l.state, pl.floor = true, authsvc.State{}, pl.now
		}
	}
}

// token is one that was issued, and now and then one that nobody issued.
func (pl *player) token() authsvc.Presentation {
	p := pl.issued[max(0, len(pl.issued)-1-max(0, pl.roll("token", 6)-2))]
	p.Retry = [][8]byte{{}, {}, authsvc.RetryHash(p.SessionID, "a"), authsvc.RetryHash(p.SessionID, "b")}[pl.roll("retry", 4)]
	p.Bound = pl.roll("bound", 12) == 0
	if pl.roll("attempts", 4) == 0 {
		p = pl.inVain(p)
	}
	switch pl.roll("sibling", 12) {
	case 0:
		p.IssuedAt -= pl.near("older")
	case 1:
		p.IssuedAt += pl.near("younger")
	case 2:
		p.Generation += uint32(pl.roll("generations", 3))
	case 3:
		p.Generation += uint32(pl.roll("generations", 2))
		p.IssuedAt = max(base, pl.state.IssuedAt-1+int64(pl.roll("ms", 3)))
	}
	if p.ParentIssuedAt = min(p.ParentIssuedAt, p.IssuedAt); p.Generation > 0 && p.ParentIssuedAt == 0 {
		p.ParentIssuedAt = p.IssuedAt // of the first one nobody knows a parent
	}
	return p
}

// inVain is a token that was shown before, near a moment that could matter.
func (pl *player) inVain(p authsvc.Presentation) authsvc.Presentation {
	from := []int64{pl.state.IssuedAt, pl.state.ParentIssuedAt}[pl.roll("attempts from", 2)]
	about := func() int64 { return max(0, from+(2*int64(pl.roll("after", 2))-1)*pl.near("attempt")) }
	p.FirstAttempt, p.LastAttempt = about(), about()
	if p.FirstAttempt > p.LastAttempt {
		p.FirstAttempt, p.LastAttempt = p.LastAttempt, p.FirstAttempt
	}
	return p
}

// reel plays histories in a Redis whose clock can be set.
type reel struct {
	client       *redis.Client
	step, settle *redis.Script
}

const setClock = `redis.call('HMGET', 'sr:clock', 's', 'us')`

// timed is a script on a state, by the clock that can be set.
func timed(script string) *redis.Script {
	return redis.NewScript(strings.Replace(stateScript, clockCall, setClock, 1) + script)
}

func newReel(t testing.TB) *reel {
	t.Helper()
	return &reel{redistest.Start(t).Client(t), timed(stepScript), timed(settleScript)}
}

// run plays all events in one batch and tells the first that came otherwise.
func (r *reel) run(t testing.TB, events []event) error {
	ctx := t.Context()
	for _, script := range []*redis.Script{r.step, r.settle} {
		if err := script.Load(ctx, r.client).Err(); err != nil {
			t.Fatal(err)
		}
	}
	answers, kept := make([]*redis.Cmd, len(events)), make([]*redis.StringCmd, len(events))
	pipe := r.client.Pipeline()
	for i, e := range events {
		key, field := bucketKey(e.shown.SessionID, 1), bucketField(e.shown.SessionID) // all in one
		switch {
		case e.put != nil && *e.put == "":
			pipe.HDel(ctx, key, field)
		case e.put != nil:
			pipe.HSet(ctx, key, field, *e.put)
		}
		pipe.HSet(ctx, "sr:clock", "s", e.now/1000, "us", e.now%1000*1000+999)
		if e.at != 0 {
			answers[i] = r.settle.EvalSha(ctx, pipe, []string{key}, settleArguments(e.shown, e.at)...)
		} else {
			answers[i] = r.step.EvalSha(ctx, pipe, []string{key}, arguments(e.shown, e.params, math.MaxInt64)...)
		}
		kept[i] = pipe.HGet(ctx, key, field)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for i, e := range events {
		answer, err := answers[i].Int64Slice()
		if err != nil {
			return fmt.Errorf("step %d, %+v: %w", i, e, err)
		}
		if e.at != 0 {
			answer = append(answer, e.now) // settling asks for no time
		}
		out, now, err := outcome(e.shown.SessionID, answer)
		if err != nil || out != e.want || now != e.now {
			return fmt.Errorf("step %d, %+v: %+v, %w", i, e, out, err)
		}
		if !e.over && kept[i].Val() != e.value {
			return fmt.Errorf("step %d, %+v: kept %q", i, e, kept[i].Val())
		}
	}
	r.client.FlushDB(ctx)
	return nil
}

// The Lua step and the one in Go answer and write alike, whatever happens.
func TestTheStepInRedisIsTheOneInGo(t *testing.T) {
	t.Parallel()
	const length = 300
	total := 30_000
	if os.Getenv("SEALRING_FULL") != "" {
		total = 1_000_000
	}
	r, steps, seen := newReel(t), 0, map[authsvc.Verdict]int{}
	for steps < total {
		rapid.Check(t, func(rt *rapid.T) {
			events := history(drawn(rt), length)
			if err := r.run(t, events); err != nil {
				rt.Fatal(err)
			}
			for _, e := range events {
				steps++
				seen[e.want.Verdict]++
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d steps: %v", steps, seen)
	for v := authsvc.Advance; v <= authsvc.StateLost; v++ {
		if seen[v] < steps/200 {
			t.Errorf("%v came %d times in %d steps", v, seen[v], steps)
		}
	}
}

// Each condition of the step is there for a reason that the histories meet.
func TestEveryGuardOfTheStepIsNeeded(t *testing.T) {
	t.Parallel()
	r := newReel(t)
	random := rand.New(rand.NewPCG(1, 2))
	roll := func(_ string, n int) int { return random.IntN(n) }
	whole := strings.Replace(stateScript, clockCall, setClock, 1) + stepScript
	for _, c := range []struct{ old, broken string }{
		{"* UNIT < stamp", "* UNIT <= stamp"},                                                           // ended
		{"if over(value) then return end", ""},                                                          //
		{"if form == 'x' then return {REVOKED, 1, cg, ct, stamp} end", ""},                              // row 1
		{"if i < born then", "if false then"},                                                           // a lost state
		{"i < born", "i <= born"},                                                                       //
		{"math.max(stamp, ct + 1)", "stamp"},                                                            // a clock that went back
		{"math.max(stamp, ct + 1)", "math.max(stamp, ct)"},                                              //
		{"g >= cg and i > ct", "false"},                                                                 // row 2: behind
		{"g >= cg and i > ct", "g >= cg and i >= ct"},                                                   //
		{"g >= cg and i > ct", "g > cg and i > ct"},                                                     //
		{"g >= cg and i > ct", "i > ct"},                                                                //
		{"cg, ct, cp, rh = g, i, p, '' end", "cg, ct, cp = g, i, p end"},                                //
		{"behind or (g == cg and ct - i <= grace) then", "behind or (g == cg and i == ct) then"},        // row 2: siblings
		{"ct - i <= grace", "ct - i < grace"},                                                           //
		{"g == cg and ct - i <= grace", "g == cg"},                                                      // row 3
		{"g == cg and ct - i <= grace", "g >= cg and ct - i <= grace"},                                  //
		{"	if now - ct <= grace then", "	if now - ct < grace then"},                                     // M > G
		{"	if now - ct <= grace then", "	if now - ct <= grace + 1 then"},                                //
		{"if behind or (not form and cg > 0) then put", "if behind then put"},                           // taken over
		{"if behind or (not form and cg > 0) then put", "if not form and cg > 0 then put"},              //
		{"(not form and cg > 0)", "(not form)"},                                                         // nothing before the first refresh
		{"putState(exp, next, now, ct, retry)", "putState(exp, next, now, ct, rh)"},                     //
		{"putState(exp, next, now, ct, retry)", "putState(exp, next, now, cp, retry)"},                  //
		{"putState(exp, next, now, ct, retry)", ""},                                                     //
		{"g + 1 == cg and", "g < cg and"},                                                               // the parent alone
		{"g + 1 == cg and", ""},                                                                         //
		{" and math.abs(i - cp) <= grace", ""},                                                          // or a sibling
		{"math.abs(i - cp) <= grace", "math.abs(i - cp) < grace"},                                       //
		{"math.abs(i - cp) <= grace", "i - cp <= grace"},                                                //
		{"math.abs(i - cp) <= grace", "cp - i <= grace"},                                                //
		{"if parent and timely", "if parent"},                                                           // row 4
		{"if parent and timely", "if timely"},                                                           //
		{"timely = now - ct <= grace or", "timely = now - ct < grace or"},                               //
		{"timely = now - ct <= grace or", "timely = now - ct <= grace + 1 or"},                          //
		{"timely = now - ct <= grace or", "timely ="},                                                   //
		{" or (first - ct <= grace and ct - last <= grace)", ""},                                        // an attempt before
		{"(first - ct <= grace and", "("},                                                               //
		{"(first - ct <= grace and", "(first - ct < grace and"},                                         //
		{"and ct - last <= grace)", ")"},                                                                //
		{"and ct - last <= grace)", "and ct - last < grace)"},                                           //
		{"if parent and proven", "if proven"},                                                           // row 5
		{"if parent and proven", "if parent"},                                                           //
		{"bound or (rh", "(rh"},                                                                         //
		{"rh ~= '' and (rh == retry or rh == UNCLAIMED)", "(rh == retry or rh == UNCLAIMED)"},           //
		{"(rh == retry or rh == UNCLAIMED)", "true"},                                                    //
		{"rh == retry or rh", "rh"},                                                                     //
		{"rh == retry or rh == UNCLAIMED", "rh == retry"},                                               //
		{"g >= cg and 3 or 6", "6"},                                                                     // the row that decided
		{"g >= cg and 3 or 6", "g > cg and 3 or 6"},                                                     //
		{"{REPLAY, 4,", "{REPLAY, 5,"},                                                                  //
		{"\nputTomb(t, exp)", ""},                                                                       // row 6
		{"math.ceil(now / 1000)", "math.floor(now / 1000)"},                                             //
		{"math.floor(clock[2] / 1000)", "math.ceil(clock[2] / 1000)"},                                   //
		{"local retry, bound, grace = ARGV[4], ARGV[5] == '1'", "local retry, bound, grace = '', true"}, //
	} {
		if strings.Count(whole, c.old) != 1 {
			t.Fatalf("%q is %d times in the step", c.old, strings.Count(whole, c.old))
		}
		r.step = redis.NewScript(strings.Replace(whole, c.old, c.broken, 1))
		if !r.tells(t, roll) {
			t.Errorf("no history tells %q from %q", c.broken, c.old)
		}
	}
}

// tells reports whether some history comes otherwise than in Go.
func (r *reel) tells(t *testing.T, roll dice) bool {
	for range 400 {
		if r.run(t, history(roll, 300)) != nil {
			return true
		}
	}
	return false
}

// So is each of settling.
func TestEveryGuardOfSettlingIsNeeded(t *testing.T) {
	t.Parallel()
	r := newReel(t)
	random := rand.New(rand.NewPCG(3, 4))
	roll := func(_ string, n int) int { return random.IntN(n) }
	for _, c := range []struct{ old, broken string }{
		{"return {REVOKED, 1, cg, ct}", ""},                                        // row 1
		{"(g >= cg and i > ct) or", ""},                                            // the newest, and a lineage that is lost
		{"g >= cg and i > ct", "g >= cg and i >= ct"},                              //
		{"g == cg and ct - i <= grace", "g == cg and ct - i < grace"},              //
		{"g == cg and ct - i <= grace", "g == cg"},                                 //
		{"parent and rh ~= '' and rh == retry", "rh ~= '' and rh == retry"},        // row 2
		{"rh ~= '' and rh == retry", "rh == retry"},                                //
		{"rh ~= '' and rh == retry", "rh ~= ''"},                                   //
		{"rh ~= '' and rh == retry", "false"},                                      //
		{"putState(exp, cg, ct, cp, UNCLAIMED)", ""},                               //
		{"g + 1 == cg and math.abs(i - cp) <= grace", "g + 1 == cg"},               //
		{"g + 1 == cg and math.abs(i - cp) <= grace", "math.abs(i - cp) <= grace"}, //
		{"(bound or rh == UNCLAIMED)", "bound"},                                    // no theft
		{"(bound or rh == UNCLAIMED)", "rh == UNCLAIMED"},                          //
		{"local replaced = cp", "local replaced = ct"},                             // row 3
		{"g + 2 >= cg then replaced", "g + 1 == cg then replaced"},                 //
		{"g + 2 >= cg then replaced", "g + 1 >= cg then replaced"},                 //
		{"at - replaced <= grace", "at - replaced < grace"},                        //
		{"at - replaced <= grace", "at - replaced <= grace + 1"},                   //
		{"if not timely then", "if true then"},                                     //
		{" or (first - replaced <= grace and replaced - last <= grace)", ""},       //
		{"first - replaced <= grace and", ""},                                      //
		{"and replaced - last <= grace)", ")"},                                     //
		{"math.ceil(at / 1000)", "math.floor(at / 1000)"},                          //
		{"	putTomb(t, exp)", ""},                                                   //
	} {
		if strings.Count(settleScript, c.old) != 1 {
			t.Fatalf("%q is %d times in settle.lua", c.old, strings.Count(settleScript, c.old))
		}
		r.settle = timed(strings.Replace(settleScript, c.old, c.broken, 1))
		if !r.tells(t, roll) {
			t.Errorf("no history tells %q from %q", c.broken, c.old)
		}
	}
}
