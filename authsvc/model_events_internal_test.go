package authsvc

import "fmt"

// model is one search: which clients there are, how far it goes, and which bug
// is planted.
type model struct {
	alone  bool // there is no second client
	thief  bool // the second client is a thief with a jar of his own; else a tab of the owner's
	retry  bool // clients send Sealring-Retry, one id for each token
	logout bool // the owner may log out
	faults uint8
	step   func(State, Presentation, Params, int64) (State, Outcome)
	settle func(State, Presentation, int64) (State, Outcome)

	tornStep    bool // planted: reads and writes apart
	loseCounter bool // planted: a restart loses the states
	forkDegrade bool // planted: a refresh without the store advances
}

// happening is one thing that can happen next.
type happening struct {
	what string
	to   world
	bad  string // the invariant that it breaks; "": none
}

// visit collects the events that are possible in a world.
type visit struct {
	*model
	from world
	tell bool // say what happens, which takes longer than to find out
	all  []happening
}

func (v *visit) say(format string, args ...any) string {
	if !v.tell {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func (m *model) start() world {
	first := carried{tok: tok{0, 1, 0}}
	w := world{now: 1, jar: [2]carried{first}, faults: m.faults}
	switch {
	case m.thief:
		w.steals = 1
	case !m.alone:
		w.jar[1] = first
	}
	return w
}

// events returns what can happen next, in an order that depends on the world
// alone.
func (m *model) events(w world, tell bool) []happening {
	v := &visit{model: m, from: w, tell: tell}
	if !w.settling() {
		v.add("a tick", func(w *world) string { w.tick(); return "" })
	}
	for c := range uint8(2) {
		v.client(c)
	}
	for r := range uint8(2) {
		v.replica(r)
	}
	v.store()
	return v.all
}

func (v *visit) add(what string, do func(*world) string) {
	to := v.from
	bad := do(&to)
	if to != v.from || bad != "" {
		v.all = append(v.all, happening{what, to, bad})
	}
}

// fault is an event that uses one up.
func (v *visit) fault(what string, do func(*world)) {
	if v.from.faults > 0 {
		v.add(what, func(w *world) string { w.faults--; do(w); return "" })
	}
}

func (v *visit) client(c uint8) {
	w := &v.from
	if got := w.reply; got.at != 0 && got.to == c && got.last >= w.jar[c].last {
		v.add(v.say("client %d gets the answer %v", c, got.carried), func(w *world) string { v.keep(w, c, got.carried); w.reply = answer{}; return "" })
	}
	if v.thief && c == 1 && w.steals > 0 && w.jar[1] != w.jar[0] {
		v.add(v.say("the thief copies %v", w.jar[0]), func(w *world) string { w.jar[1] = w.jar[0]; w.steals--; return "" })
	}
	if w.jar[c] == (carried{}) || w.settling() {
		return
	}
	for r := range uint8(2) {
		if !w.away && w.rep[r].settles.at != 0 {
			continue // it settles first
		}
		if v.tornStep && !w.away {
			v.torn(c, r)
			continue
		}
		for _, way := range []string{"", "lost", "late"} {
			if way == "late" && (w.reply.at != 0 || v.thief && c == 1) {
				continue
			}
			v.add(v.say("client %d shows %v at replica %d%s", c, w.jar[c], r, comma(way)), func(w *world) string { return v.present(w, c, r, way, false) })
		}
		for _, way := range []string{"", "lost"} {
			if !w.away && w.faults > 0 {
				v.add(v.say("client %d shows %v at replica %d, and the store's answer is lost%s", c, w.jar[c], r, comma(way)),
					func(w *world) string { w.faults--; return v.present(w, c, r, way, true) })
			}
		}
	}
}

func comma(way string) string {
	if way == "" {
		return ""
	}
	return ", and the answer is " + way
}

// tick moves the time on; what is older than the grace no longer arrives.
func (w *world) tick() {
	w.now++
	w.lag, w.fresh = w.store, false
	if w.now > w.reply.at+graceTick {
		w.reply = answer{}
	}
}

// keep puts a token into the jar: of both tabs, where there is no thief.
func (v *visit) keep(w *world, c uint8, k carried) {
	w.jar[c] = k
	if !v.thief && !v.alone {
		w.jar[1-c] = k
	}
}

func (v *visit) replica(r uint8) {
	w := &v.from
	rep := w.rep[r]
	if !rep.dead && w.rep[1-r].dead {
		v.add(v.say("replica %d hears of the revocation", r), func(w *world) string { w.rep[r].dead = true; return "" })
	}
	if rep.dead && !w.store.dead && !w.away {
		v.add(v.say("replica %d puts the tombstone into the store", r), func(w *world) string { w.store.known, w.store.dead, w.acked = true, true, true; return "" })
	}
	other := w.rep[1-r].settles
	if rep.settles.at != 0 && !w.away && !(other.unheard && other.at < rep.settles.at) {
		v.add(v.say("replica %d settles %v", r, rep.settles.carried), func(w *world) string { return v.settleNext(w, r) })
	}
	if v.logout && !w.done {
		v.add(v.say("a logout at replica %d", r), func(w *world) string {
			w.rep[r].dead, w.done = true, true
			if !w.away {
				w.store.known, w.store.dead, w.acked = true, true, true
			}
			return ""
		})
	}
	if half := w.open[r]; half.busy {
		v.add(v.say("replica %d writes what it has decided for client %d", r, half.client), func(w *world) string { return v.write(w, r) })
	}
	v.fault(v.say("replica %d restarts", r), func(w *world) { v.restart(w, r) })
	v.fault(v.say("replica %d restarts on an empty disk", r), func(w *world) {
		v.restart(w, r)
		w.rep[r].from, w.rep[r].dead = w.epoch, false // it reads the store's log
	})
}

func (v *visit) restart(w *world, r uint8) {
	was := w.rep[r]
	w.rep[r] = replica{dead: was.dead, from: was.from}
	w.forgot = w.forgot || was.settles.unheard
	w.open[r] = readHalf{}
	if v.loseCounter {
		w.store, w.lag = fact{}, fact{}
	}
}

// settling: a replica has something to settle that nobody else knows of, and can.
func (w *world) settling() bool {
	return !w.away && (w.rep[0].settles.unheard || w.rep[1].settles.unheard)
}

func (v *visit) store() {
	w := &v.from
	loses := func(w *world) { w.lost, w.since = true, w.since || w.acked }
	if w.lag != w.store {
		v.fault("the store fails over and loses its last writes", func(w *world) {
			loses(w)
			w.forgot = w.forgot || w.fresh
			w.store = w.lag
		})
	}
	if w.store.known {
		v.fault("the store is wiped", func(w *world) { loses(w); w.store, w.lag, w.epoch, w.reply = fact{}, fact{}, w.now, answer{} })
	}
	if w.away {
		v.add("the store is back", func(w *world) string { w.away = false; return "" })
	} else {
		v.fault("the store is away", func(w *world) { w.away = true })
	}
}
