package authsvc

import (
	"cmp"
	"fmt"
	"slices"
)

// attempt names an attempt, by an id that no other has. Where clients send
// Sealring-Retry all have one: it is asked for only where the token is the parent
// that the state names, and then it is that token's.
func (v *visit) attempt(w *world) uint8 {
	if v.retry {
		return 2
	}
	used := w.ids()
	for id := uint8(1); ; id++ {
		if !slices.Contains(used, id) {
			return id
		}
	}
}

// present is what a replica does with a refresh token, and what the client
// hears of it. It returns the invariant that is broken.
func (v *visit) present(w *world, c, r uint8, way string, mute bool) string {
	k, rep := w.jar[c], &w.rep[r]
	id := v.attempt(w)
	w.stolen = w.stolen || v.thief && c == 1
	if rep.dead {
		return ""
	}
	late := w.isLate(k.tok)
	w.tardy = w.tardy || late
	if w.away {
		return v.degrade(w, c, r, k, id, late, way)
	}
	before := w.store
	state, out := v.step(before.state(), k.shown(id), Params{Born: born(rep.from)}, ms(w.now))
	w.store = factOf(state)
	if mute {
		return v.degrade(w, c, r, k, id, late, way)
	}
	if bad := v.judge(w, k, before, out, late); bad != "" {
		return bad
	}
	v.told(w, c, r, k.tok, out, way)
	return ""
}

// born is the tick before which a token without state may have been revoked.
func born(from uint8) int64 {
	if from == 0 {
		return 0
	}
	return ms(from)
}

// told does what follows from a verdict.
func (v *visit) told(w *world, c, r uint8, k tok, out Outcome, way string) {
	rep := &w.rep[r]
	if !out.Verdict.Granted() {
		if out.Verdict != StateLost {
			rep.dead, w.acked = true, true
		}
		return
	}
	got := tok{uint8(out.Generation), tick(out.IssuedAt), tick(out.ParentIssuedAt)}
	rep.g, rep.ct = got.g, got.i
	w.replace(k, got)
	v.answer(w, c, carried{tok: got}, way)
}

// answer is what becomes of an answer on its way.
func (v *visit) answer(w *world, c uint8, k carried, way string) {
	switch way {
	case "":
		v.keep(w, c, k)
	case "late":
		w.reply = answer{k, w.now, c}
	}
}

// degrade grants an access token, and has the store judge afterwards. The client
// gets its token again, with the time of the attempt.
func (v *visit) degrade(w *world, c, r uint8, k carried, id uint8, late bool, way string) string {
	rep := &w.rep[r]
	if rep.replaced(k, w.now) || rep.settles.at != 0 {
		return "" // 503
	}
	if v.forkDegrade {
		got := tok{k.g + 1, w.now, k.i}
		bad := w.forks(k.tok, got)
		w.replace(k.tok, got)
		v.keep(w, c, carried{tok: got})
		return when(bad, "P1: two successors of one token")
	}
	rep.settles = open{k, id, w.now, late, way == "lost"}
	v.answer(w, c, carried{k.tok, cmp.Or(k.first, w.now), w.now}, way)
	return ""
}

func when(bad bool, what string) string {
	if bad {
		return what
	}
	return ""
}

// settleNext has the open attempt of a replica judged.
func (v *visit) settleNext(w *world, r uint8) string {
	rep := &w.rep[r]
	o := rep.settles
	rep.settles = open{}
	before := w.store
	state, out := v.settle(before.state(), o.shown(o.id), ms(o.at))
	w.store = factOf(state)
	w.fresh = w.fresh || out.Verdict == Replay
	if out.Verdict == Theft || out.Verdict == Revoked {
		rep.dead, w.acked = true, true
	}
	switch {
	case out.Verdict == Theft && !o.late && !w.stolen && !w.forgot:
		return "P2: an honest attempt without the store is taken for a theft afterwards"
	case o.late && !w.lost && !out.Verdict.ends() && v.provable(before, o):
		return "P3: a late token that was granted without the store goes unnoticed"
	}
	return ""
}

// provable: the state still tells that the token had been replaced for too long.
func (v *visit) provable(f fact, o open) bool {
	replaced := f.p
	if o.g+2 >= f.g {
		replaced = f.i
	}
	return f.retry != unclaimed && f.retry != o.id && o.at > replaced+graceTick && !o.inVain(replaced)
}

// inVain: the token was shown without an answer about when it was replaced.
func (k carried) inVain(replaced uint8) bool {
	return k.last != 0 && k.first <= replaced+graceTick && replaced <= k.last+graceTick
}

func (v Verdict) ends() bool { return v == Theft || v == Revoked }

// judge holds the invariants against what the store has decided.
func (v *visit) judge(w *world, k carried, before fact, out Outcome, late bool) string {
	granted := out.Verdict.Granted()
	got := tok{uint8(out.Generation), tick(out.IssuedAt), tick(out.ParentIssuedAt)}
	inVain := k.g+1 == before.g && k.inVain(before.i)
	excused := late && !inVain && (!v.retry || k.g+1 != before.g) || w.tardy && w.lost
	switch {
	case out.Verdict == Theft && !w.stolen && !excused && !w.forgot:
		return "P2: an honest client is taken for a thief"
	case out.Verdict == StateLost && (!w.lost || k.i >= w.epoch):
		return "B.6: a session is lost though the replica knows all that was revoked"
	case granted && w.acked && !w.since:
		return "P4: granted after the session's end was acknowledged"
	case granted && late && !w.lost && !v.retry && !inVain && before.retry != unclaimed:
		return "P3: granted longer than the grace after the token was replaced"
	case granted && w.forks(k.tok, got):
		return "P1: two successors of one token"
	}
	return ""
}

// torn is a step that is not atomic: it reads, and writes some time later.
func (v *visit) torn(c, r uint8) {
	w := &v.from
	if w.open[r].busy || w.rep[r].dead {
		return
	}
	k := w.jar[c]
	v.add(fmt.Sprintf("client %d shows %v at replica %d, which reads", c, k, r), func(w *world) string {
		w.open[r] = readHalf{true, c, k, v.attempt(w), w.store}
		return ""
	})
}

func (v *visit) write(w *world, r uint8) string {
	half := w.open[r]
	w.open[r] = readHalf{}
	late := w.isLate(half.shown.tok)
	state, out := v.step(half.read.state(), half.shown.shown(half.id), Params{Born: born(w.rep[r].from)}, ms(w.now))
	w.store = factOf(state)
	if bad := v.judge(w, half.shown, half.read, out, late); bad != "" {
		return bad
	}
	v.told(w, half.client, r, half.shown.tok, out, "")
	return ""
}
