package redisstore

import (
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// TestNothingAcknowledgedIsEverLost plays random histories: of appends, fresh,
// repeated and raised, at three replicas; of a Redis that is emptied, set back
// to what it was earlier, frozen, or refuses to write; of replicas that die and
// come back; of followers that come, leave, and read on somewhere else. When it
// is quiet everything that was ever acknowledged is in Redis, with every
// replica and with every follower, and no follower's position ever skipped.
//
// SEALRING_FULL=1 plays many more.
func TestNothingAcknowledgedIsEverLost(t *testing.T) {
	defer flagged("rapid.checks", map[bool]string{false: "3", true: "60"}[os.Getenv("SEALRING_FULL") != ""])()
	defer flagged("rapid.steps", map[bool]string{false: "15", true: "30"}[os.Getenv("SEALRING_FULL") != ""])()
	defer flagged("rapid.nofailfile", "true")() // what happens is not in the dice alone
	defer flagged("rapid.shrinktime", "5s")()
	server := redistest.Start(t)
	rapid.Check(t, func(rt *rapid.T) {
		p := newPlay(t, rt, server)
		defer p.end()
		rt.Repeat(map[string]func(*rapid.T){
			"append":           p.append,
			"append more":      p.append, // the most frequent
			"empty Redis":      p.empty,
			"remember Redis":   p.remember,
			"set Redis back":   p.setBack,
			"fail over":        p.failOver,
			"freeze":           p.freeze,
			"refuse":           p.refuse,
			"die or come back": p.die,
			"follow":           p.follow,
			"leave":            p.leave,
			"read on":          p.readOn,
		})
		p.quiet()
	})
}

// flagged sets a flag and returns how to set it back.
func flagged(name, value string) func() {
	f := flag.Lookup(name)
	old := f.Value.String()
	_ = f.Value.Set(value)
	return func() { _ = f.Value.Set(old) }
}

// play is one history.
type play struct {
	t        *testing.T
	rt       *rapid.T
	server   *redistest.Server
	replicas []*replica
	up       []bool
	frozen   bool
	refusing bool
	images   []image
	acked    []revocation.Entry
	watchers []*watcher
	away     []*watcher // followers that have left
}

func newPlay(t *testing.T, rt *rapid.T, server *redistest.Server) *play {
	server.Do("FLUSHALL")
	p := &play{t: t, rt: rt, server: server, up: make([]bool, 3)}
	for i := range p.up {
		r := idle(t, server)
		r.timeout = 100 * time.Millisecond
		p.replicas = append(p.replicas, r)
		p.open(i)
	}
	return p
}

func (p *play) open(i int) {
	p.replicas[i].open()
	p.up[i] = true
}

func (p *play) end() {
	p.thaw()
	for i, r := range p.replicas {
		if p.up[i] {
			_ = r.close()
		}
	}
}

// any returns a replica that is up; there always is one.
func (p *play) any(rt *rapid.T) *replica {
	var up []*replica
	for i, r := range p.replicas {
		if p.up[i] {
			up = append(up, r)
		}
	}
	return rapid.SampledFrom(up).Draw(rt, "replica")
}

func (p *play) append(rt *rapid.T) {
	r := p.any(rt)
	var batch, news []revocation.Entry
	for range rapid.IntRange(1, 4).Draw(rt, "entries") {
		e := fresh()
		if len(p.acked) > 0 && rapid.IntRange(0, 2).Draw(rt, "of before") == 0 {
			e = rapid.SampledFrom(p.acked).Draw(rt, "which")
			e.Exp += uint32(rapid.IntRange(0, 1).Draw(rt, "raised"))
			e.Made = 0
		}
		batch = append(batch, e)
		if !r.knows(e) { // else it may be lost, and that not be noticed yet
			news = append(news, e)
		}
	}
	err := r.log.Append(p.t.Context(), batch...)
	if err != nil && !errors.Is(err, authsvc.ErrNotShared) {
		rt.Fatalf("appending: %v", err)
	}
	p.acked = append(p.acked, batch...)
	if !r.knows(batch...) || !r.journalled(batch...) {
		rt.Fatal("it was acknowledged and is not here")
	}
	if err == nil && !p.frozen && !holds(p.t, p.server, news...) {
		rt.Fatal("it was acknowledged as shared and is not in Redis")
	}
}

func (p *play) empty(*rapid.T) {
	p.server.Restart()
	p.frozen, p.refusing = false, false
}

func (p *play) remember(rt *rapid.T) {
	p.needs(rt, !p.frozen)
	p.images = append(p.images, imageOf(p.server))
}

func (p *play) needs(rt *rapid.T, ok bool) {
	if !ok {
		rt.Skip("not now")
	}
}

func (p *play) setBack(rt *rapid.T) {
	p.needs(rt, !p.frozen && !p.refusing && len(p.images) > 0)
	rapid.SampledFrom(p.images).Draw(rt, "image").rollBack(p.t, p.server)
}

// failOver loses what was appended last, as a failover does, and lets another
// append take its id at once.
func (p *play) failOver(rt *rapid.T) {
	p.needs(rt, !p.frozen && !p.refusing)
	old := imageOf(p.server)
	r, lost, other := p.any(rt), fresh(), fresh()
	if r.log.Append(p.t.Context(), lost) != nil {
		p.acked = append(p.acked, lost)
		return // it was too slow
	}
	other.Made = other.T
	at := r.log.position().Cursor
	old.rollBack(p.t, p.server, &redis.XAddArgs{Stream: "sr:{shared}:rl", ID: at.String(),
		Values: []any{"n", nonce(), "o", nonce(), "e", blob([]revocation.Entry{other})}})
	signal(r.log.kick)
	if !soon(func() bool { return r.knows(other) }) {
		rt.Fatal("a replica does not notice what took the place of its own append")
	}
	p.acked = append(p.acked, lost, other)
}

func (p *play) freeze(rt *rapid.T) {
	if p.frozen {
		p.thaw()
		return
	}
	p.server.Stop()
	p.frozen = true
}

func (p *play) thaw() {
	if p.frozen {
		p.server.Cont()
		p.frozen = false
	}
}

func (p *play) refuse(rt *rapid.T) {
	p.needs(rt, !p.frozen)
	p.refusing = !p.refusing
	p.server.Do("CONFIG", "SET", "min-replicas-to-write", map[bool]int{true: 1}[p.refusing])
}

func (p *play) die(rt *rapid.T) {
	i := rapid.IntRange(0, len(p.replicas)-1).Draw(rt, "who")
	if !p.up[i] {
		p.open(i)
		return
	}
	ups := 0
	for _, up := range p.up {
		if up {
			ups++
		}
	}
	p.needs(rt, ups > 1)
	r := p.replicas[i]
	if err := r.close(); err != nil {
		rt.Fatalf("closing: %v", err)
	}
	p.up[i] = false
	var stay []*watcher
	for _, w := range p.watchers {
		if w.of == r {
			p.away = append(p.away, w)
		} else {
			stay = append(stay, w)
		}
	}
	p.watchers = stay
}

func (p *play) follow(rt *rapid.T) {
	p.needs(rt, len(p.watchers)+len(p.away) < 6)
	p.watchers = append(p.watchers, p.any(rt).watch())
}

func (p *play) leave(rt *rapid.T) {
	p.needs(rt, len(p.watchers) > 0)
	i := rapid.IntRange(0, len(p.watchers)-1).Draw(rt, "follower")
	w := p.watchers[i]
	w.cancel()
	<-w.ended
	p.away = append(p.away, w)
	p.watchers = append(p.watchers[:i:i], p.watchers[i+1:]...)
}

func (p *play) readOn(rt *rapid.T) {
	p.needs(rt, len(p.away) > 0)
	w := p.away[0]
	p.away = p.away[1:]
	p.watchers = append(p.watchers, p.any(rt).readOn(w))
}

// quiet ends all faults and checks what must then be so.
func (p *play) quiet() {
	p.thaw()
	p.server.Do("CONFIG", "SET", "min-replicas-to-write", 0)
	for i, up := range p.up {
		if !up {
			p.open(i)
		}
	}
	for _, w := range p.away {
		p.watchers = append(p.watchers, p.replicas[0].readOn(w))
	}
	p.away = nil
	missing := ""
	if !soon(func() bool { missing = p.missing(); return missing == "" }) {
		p.rt.Fatalf("after quiet: %s", missing)
	}
	for _, w := range p.watchers {
		w.mu.Lock()
		faults := w.faults
		w.mu.Unlock()
		if len(faults) > 0 {
			p.rt.Fatalf("a follower: %v", faults)
		}
		w.cancel()
		<-w.ended
	}
}

// missing says who lacks something.
func (p *play) missing() string {
	if !holds(p.t, p.server, p.acked...) {
		return "Redis lacks something"
	}
	for _, r := range p.replicas {
		switch {
		case !r.settled():
			return "a replica has something to say"
		case !r.knows(p.acked...):
			return "a replica lacks something"
		case !r.journalled(p.acked...):
			return "a journal lacks something"
		case r.log.position() != p.replicas[0].log.position():
			return "the replicas stand at different places"
		}
	}
	for _, w := range p.watchers {
		if !w.has(p.acked...) {
			return "a follower lacks something"
		}
		if w.at() != p.replicas[0].log.position() {
			return "a follower stands somewhere else"
		}
	}
	return ""
}
