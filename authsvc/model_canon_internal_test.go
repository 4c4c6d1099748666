package authsvc

import (
	"bytes"
	"cmp"
	"slices"
)

// canon maps a world to one that stands for all in which the same can happen:
// what nobody can ask for any more is forgotten, the two replicas change places
// (and two tabs of one owner), and generations, times and the ids of attempts
// are numbered anew. By that the worlds are finitely many though time and
// generations know no end.
//
// Step, Settle and the rules of the model only ask whether a generation is the
// same, the next or a later one, and whether a time is earlier and by more than
// the grace: what keeps that keeps everything that can happen.
func (m *model) canon(w world) world {
	w.forget()
	m.order(&w)
	if !m.retry {
		w.nameAttempts()
	}
	var room [96]*uint8
	renumber(w.generations(room[:0]), 1, 2)
	times := w.times(room[:0])
	renumber(times, earliest(times), graceTick+1)
	slices.SortFunc(w.fates[:], func(a, b fate) int { return bytes.Compare(b.of.key(), a.of.key()) })
	return w
}

func (k tok) key() []byte { return []byte{k.g, k.i, k.p} }

// forget drops what makes no difference any more.
func (w *world) forget() {
	if w.faults == 0 {
		w.lag, w.fresh = w.store, false // nothing falls back to it
	}
	for _, f := range []*fact{&w.store, &w.lag} {
		if f.dead {
			f.tok, f.retry = tok{}, 0
		}
	}
	held := w.held()
	for i, f := range w.fates {
		switch {
		case f.at == 0:
		case !slices.Contains(held[:], f.of):
			w.fates[i] = fate{}
		case w.isLate(f.of):
			w.fates[i].at = longAgo
		}
	}
	for r := range w.rep {
		rep := &w.rep[r]
		if rep.dead || !slices.ContainsFunc(held[:], func(k tok) bool { return k.g < rep.g }) {
			rep.g, rep.ct = 0, 0
		}
		if w.now > rep.ct+graceTick {
			rep.ct = 0
		}
	}
}

// held are the tokens that can still be shown.
func (w *world) held() [5]tok {
	return [5]tok{w.jar[0].tok, w.jar[1].tok, w.reply.tok, w.open[0].shown.tok, w.open[1].shown.tok}
}

// carried are the tokens that are, or were, shown.
func (w *world) carried() [7]*carried {
	return [7]*carried{&w.jar[0], &w.jar[1], &w.reply.carried, &w.rep[0].settles.carried, &w.rep[1].settles.carried, &w.open[0].shown, &w.open[1].shown}
}

// order has replicas, and tabs, change places.
func (m *model) order(w *world) {
	if bytes.Compare(w.replicaKey(0), w.replicaKey(1)) > 0 {
		w.rep[0], w.rep[1] = w.rep[1], w.rep[0]
		w.open[0], w.open[1] = w.open[1], w.open[0]
	}
	if !m.thief && w.reply.to > 0 {
		w.reply.to = 0
		w.open[0].client, w.open[1].client = 1-w.open[0].client, 1-w.open[1].client
	}
}

func (w *world) replicaKey(i int) []byte {
	r, o := w.rep[i], w.open[i]
	a := r.settles
	return []byte{bit(r.dead), r.from, r.g, r.ct, a.g, a.i, a.p, a.first, a.last, a.at, bit(a.late), bit(a.unheard), a.id,
		bit(o.busy), o.client, o.shown.g, o.shown.i, o.shown.p, o.read.g, o.read.i, o.read.p}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// ids are those of the attempts that are not over, and those in the facts.
func (w *world) ids() []uint8 {
	return []uint8{w.rep[0].settles.id, w.rep[1].settles.id, w.open[0].id, w.open[1].id,
		w.store.retry, w.lag.retry, w.open[0].read.retry, w.open[1].read.retry}
}

func (w *world) attempts() []*uint8 {
	return []*uint8{&w.rep[0].settles.id, &w.rep[1].settles.id, &w.open[0].id, &w.open[1].id}
}

func (w *world) kept() []*uint8 {
	return []*uint8{&w.store.retry, &w.lag.retry, &w.open[0].read.retry, &w.open[1].read.retry}
}

// nameAttempts numbers the attempts that are not over from 2 on; 1 is any
// other.
func (w *world) nameAttempts() {
	var names [256]uint8
	next := uint8(2)
	for _, id := range w.attempts() {
		if *id != 0 {
			if names[*id] == 0 {
				names[*id] = next
				next++
			}
			*id = names[*id]
		}
	}
	for _, id := range w.kept() {
		if *id != 0 && *id != unclaimed {
			*id = cmp.Or(names[*id], 1)
		}
	}
}

// generations are all that there are.
func (w *world) generations(all []*uint8) []*uint8 {
	all = append(all, &w.rep[0].g, &w.rep[1].g)
	w.eachToken(func(k *tok) { all = append(all, &k.g) })
	return all
}

// times are all that there are, but those long ago.
func (w *world) times(all []*uint8) []*uint8 {
	all = append(all, &w.now, &w.epoch, &w.rep[0].from, &w.rep[1].from, &w.rep[0].ct, &w.rep[1].ct, &w.reply.at, &w.rep[0].settles.at, &w.rep[1].settles.at)
	w.eachToken(func(k *tok) { all = append(all, &k.i, &k.p) })
	for _, k := range w.carried() {
		all = append(all, &k.first, &k.last)
	}
	for i := range w.fates {
		if w.fates[i].at != longAgo {
			all = append(all, &w.fates[i].at)
		}
	}
	return all
}

func (w *world) eachToken(do func(*tok)) {
	do(&w.store.tok)
	do(&w.lag.tok)
	do(&w.reply.tok)
	for i := range 2 {
		do(&w.jar[i].tok)
		do(&w.rep[i].settles.tok)
		do(&w.open[i].shown.tok)
		do(&w.open[i].read.tok)
	}
	for i := range w.fates {
		do(&w.fates[i].of)
		do(&w.fates[i].next)
	}
}

// renumber gives each value from first on the least number that keeps the order
// and every distance below the given one. Zeros stay.
func renumber(all []*uint8, first, distance uint8) {
	var there [256]bool
	last := uint8(0)
	for _, v := range all {
		there[*v] = true
		last = max(last, *v)
	}
	var names [256]uint8
	was, is := first-1, uint8(0)
	for v := max(first, 1); v <= last; v++ {
		if there[v] {
			is += min(v-was, distance)
			was, names[v] = v, is
		}
	}
	for _, v := range all {
		*v = names[*v]
	}
}

func earliest(all []*uint8) uint8 {
	first := uint8(longAgo)
	for _, v := range all {
		if *v != 0 {
			first = min(first, *v)
		}
	}
	return first
}
