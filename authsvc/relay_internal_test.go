package authsvc

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// relayed is a running relay of a scripted service, or of another relay.
type relayed struct {
	*Relay
	addr string
	up   *moving
}

func newRelayed(t *testing.T, upstream string) *relayed {
	t.Helper()
	up := new(moving).to(upstream)
	transport := &http.Transport{DialContext: up.dial}
	r, err := NewRelay(RelayConfig{Issuer: "http://localhost", Client: issuer.Client{ID: "relay", Secret: "x"}, HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	server := httptest.NewServer(r.Public())
	t.Cleanup(func() { cancel(); running.Wait(); server.Close(); transport.CloseIdleConnections() })
	return &relayed{Relay: r, addr: server.Listener.Addr().String(), up: up}
}

func (r *relayed) isReady(t *testing.T) *relayed {
	t.Helper()
	until(t, "the relay is ready", func() bool { return r.ready() == nil })
	return r
}

func TestARelayServesOnWhatTheIssuerSigned(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	es := []revocation.Entry{ended(), ended(), ended(), ended()}
	s.script.says(delta(1, 2, es[0]))
	r := newRelayed(t, newRelayed(t, s.addr).isReady(t).addr).isReady(t)
	f := new(moving).to(r.addr).verifier(t)
	s.script.says(delta(2, 3, es[1]), unshared(3, es[2]))
	until(t, "it reaches a verifier behind two relays", func() bool { return knows(f, es[2]) })
	s.script.says(anew(3, es[3]))
	until(t, "so does a new epoch", func() bool { return knows(f, es[3]) })
	late := new(moving).to(r.addr).verifier(t)
	for i, e := range es {
		until(t, fmt.Sprintf("both know entry %d", i), func() bool { return knows(f, e) && knows(late, e) })
	}
	if f.Status().Fault != "" || s.feeds.Load() != 1+2 { // one stream, and a question for each of two clients
		t.Errorf("fault %q, %d requests for the feed of the issuer", f.Status().Fault, s.feeds.Load())
	}
}

// What a newcomer is sent stays short: the relay fetches another snapshot.
func TestARelayRenewsItsSnapshot(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	r := newRelayed(t, s.addr).isReady(t)
	var es []revocation.Entry
	for n := range uint64(manyFrames + 50) {
		es = append(es, ended())
		s.script.says(delta(n+1, n+2, es[n]))
		s.hub.locked(s.hub.flush) // each a frame of its own
	}
	last := at(uint64(len(es)) + 1)
	until(t, "the relay has a newer snapshot", func() bool {
		v := r.view.Load()
		return v.pos == last && v.pinned < manyFrames/2
	})
	f := new(moving).to(r.addr).verifier(t)
	until(t, "a newcomer is whole", func() bool { return f.Status().Position == last })
	for i, e := range es {
		if !knows(f, e) {
			t.Fatalf("entry %d was missed", i)
		}
	}
}

// The snapshot may be of a replica that does not know what this one has told:
// what it has not is kept beside it.
func TestARelayKeepsWhatItsSnapshotHasNot(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	r := newRelayed(t, s.addr).isReady(t)
	e := ended()
	s.script.says(unshared(1, e), delta(1, 2, ended()))
	until(t, "the relay has both", func() bool { return r.view.Load().pos == at(2) })
	full, err := s.hub.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	without := s.parse(t, full.snap[0].jws)
	for i, o := range without.Entries {
		if o.Target() == e.Target() {
			without.Entries = append(without.Entries[:i], without.Entries[i+1:]...)
			break
		}
	}
	r.adopt(without, full.snap)
	if v := r.view.Load(); v.pinned != 2 {
		t.Errorf("%d frames go with a snapshot that lacks the entry of the first of them", v.pinned)
	}
	r.adopt(s.parse(t, full.snap[0].jws), full.snap)
	if v := r.view.Load(); v.pinned != 0 {
		t.Errorf("%d frames go with a snapshot that has all", v.pinned)
	}
}

// After a reset of the relay nobody behind it can go on where he was.
func TestAResetGoesThroughARelay(t *testing.T) {
	t.Parallel()
	a, b := newScripted(t), newScripted(t)
	r := newRelayed(t, a.addr).isReady(t)
	f := new(moving).to(r.addr).verifier(t)
	a.script.says(delta(1, 2, ended()))
	until(t, "the verifier follows", func() bool { return f.Status().Position == at(2) })
	e := ended()
	elsewhere := anew(1, e)
	b.script.says(elsewhere)
	until(t, "the other one is elsewhere", func() bool { return b.hub.view.Load().pos == elsewhere.Pos })
	shown := r.view.Load().end()
	r.up.to(b.addr).cut()
	until(t, "the verifier is there too", func() bool { return f.Status().Position == elsewhere.Pos && f.Status().Live && knows(f, e) })
	if r.view.Load().first <= shown {
		t.Error("who has seen all there was is not told that something is missing")
	}
}

// Another replica repeats what has no place in the log, from where that was.
// The relay's verifiers hear of it, and none of them goes back for it.
func TestARelayDoesNotGoBack(t *testing.T) {
	t.Parallel()
	a, b := newScripted(t), newScripted(t)
	r := newRelayed(t, a.addr).isReady(t)
	f := new(moving).to(r.addr).verifier(t)
	e := ended()
	a.script.says(delta(1, 3))
	b.script.says(unshared(1, e), delta(1, 3))
	until(t, "all are at one place", func() bool { return r.view.Load().pos == at(3) && b.hub.view.Load().pos == at(3) })
	r.up.to(b.addr).cut()
	until(t, "the verifier hears of it", func() bool { return knows(f, e) })
	if p := r.view.Load().pos; p != at(3) || f.Status().Fault != "" {
		t.Errorf("the relay is at %v; %+v", p, f.Status())
	}
	if late := new(moving).to(r.addr).verifier(t); late.Status().Fault != "" {
		t.Errorf("a newcomer: %+v", late.Status())
	}
}

func TestWhenARelayWantsAnotherSnapshot(t *testing.T) {
	fresh := func() *view { return &view{snap: parts{{kid: "a", jws: "x"}}, beat: []byte("x"), beatKid: "a"} }
	if fresh().wantsSnapshot() {
		t.Error("at once")
	}
	for name, change := range map[string]func(v *view){
		"there is none":               func(v *view) { v.snap = nil },
		"its key has had a successor": func(v *view) { v.beatKid = "b" },
		"many frames have come since": func(v *view) { v.frames, v.pinned = make([]frame, manyFrames+1), manyFrames+1 },
		"much has come since":         func(v *view) { v.frames, v.pinned = []frame{{jws: string(make([]byte, manyBytes+1))}}, 1 },
		"much has come, but less than it holds": func(v *view) {
			v.frames, v.pinned = []frame{{jws: string(make([]byte, manyBytes+1))}}, 1
			v.snap[0].jws = string(make([]byte, 2*manyBytes))
		},
	} {
		v := fresh()
		change(v)
		if got := v.wantsSnapshot(); got != !strings.Contains(name, "but") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What a burnt feed key has signed is believed by nobody, a relay's snapshot
// included.
func TestARelayDropsWhatADeadKeySigned(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	r := newRelayed(t, s.addr).isReady(t)
	e := ended()
	s.script.says(delta(1, 2, e))
	until(t, "the relay has it", func() bool { return r.view.Load().pos == at(2) })
	k, err := s.hub.ring.Load().Current(keys.Feed, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := s.hub.ring.Load().Revoke(k.ID, "stolen", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.SetRing(ring)
	until(t, "the relay has another snapshot", func() bool {
		v := r.view.Load()
		return v.snap != nil && v.snap.kid() != k.ID
	})
	f := new(moving).to(r.addr).verifier(t)
	until(t, "a newcomer has all", func() bool { return knows(f, e) })
	if f.Status().Fault != "" {
		t.Errorf("a newcomer: %+v", f.Status())
	}
}

// While the upstream is away: who is here stays, and sees the time stand
// still; who comes new is served if he is known, and told to wait if not.
func TestARelayOutlivesItsUpstream(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	e := ended()
	s.script.says(delta(1, 2, e))
	r := newRelayed(t, s.addr).isReady(t)
	f := new(moving).to(r.addr).verifier(t)
	until(t, "a heartbeat has come", func() bool { return r.view.Load().beat != nil })
	r.up.to("127.0.0.1:1").cut()
	until(t, "the relay has noticed", func() bool { return !r.follower.Load().Status().Live })
	no := r.view.Load().beatNo
	until(t, "heartbeats are repeated", func() bool { return r.view.Load().beatNo > no })
	if still := r.follower.Load().Status().AsOf; !f.Status().Live || f.AsOf().After(still) {
		t.Errorf("%+v, and the relay is as of %v", f.Status(), still)
	}
	late := new(moving).to(r.addr).verifier(t)
	until(t, "a newcomer has all", func() bool { return late.Ready() && knows(late, e) })
	if time.Since(late.AsOf()) < heartbeat {
		t.Errorf("a newcomer: %+v", late.Status())
	}
	for id, want := range map[string]int{"orders": 304, "stranger": 503} {
		if status := r.asks(t, id); status != want {
			t.Errorf("%s gets %d", id, status)
		}
	}
	r.up.to(s.addr)
	next := ended()
	s.script.says(delta(2, 3, next))
	until(t, "the verifier hears of what comes", func() bool { return knows(f, next) })
	if f.Status().Fault != "" {
		t.Errorf("it was cut off: %+v", f.Status())
	}
}

func (r *relayed) asks(t *testing.T, id string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.addr+"/v1/feed?snapshot=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(id, "x")
	req.Header.Set("If-None-Match", "*")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestAChainHasThreeRelaysAtMost(t *testing.T) {
	t.Parallel()
	addr := newScripted(t).addr
	for n := range maxRelays {
		r := newRelayed(t, addr).isReady(t)
		f := new(moving).to(r.addr).verifier(t)
		if r.depth.Load() != int32(n+1) || !f.Ready() {
			t.Errorf("relay %d is number %d", n+1, r.depth.Load())
		}
		addr = r.addr
	}
	res, err := http.Get("http://" + newRelayed(t, addr).addr + metadataPath)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 503 {
		t.Errorf("the fourth answers %d", res.StatusCode)
	}
}

// doorman is an upstream that only says who may come in, and counts.
type doorman struct {
	mu     sync.Mutex
	asked  map[string]int
	status map[string]int
}

func (d *doorman) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, _, _ := r.BasicAuth()
	d.asked[id+r.URL.Path]++
	if r.URL.Path == sessionKeysPath && d.status[id] < 400 {
		_, _ = w.Write([]byte(`{"keys":[]}`))
		return
	}
	w.WriteHeader(d.status[id])
}

func (d *doorman) says(id string, status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status[id] = status
}

func TestARelayRemembersWhomTheUpstreamKnows(t *testing.T) {
	d := &doorman{asked: map[string]int{}, status: map[string]int{"good": 304, "poor": 403, "bad": 401}}
	server := httptest.NewServer(d)
	defer server.Close()
	now := time.Unix(1_800_000_000, 0)
	u := newUpstream(RelayConfig{Issuer: server.URL})
	defer u.close()
	v := newVouchers(u, func() time.Time { return now })
	admit := func(id, secret string) int {
		r := httptest.NewRequest("GET", "/v1/feed", nil)
		r.SetBasicAuth(id, secret)
		_, err := v.admit(r)
		if err == nil {
			return 200
		}
		_, p := problemOf(err)
		return p.status
	}
	check := func(what, id string, status, asked int) {
		t.Helper()
		if got := admit(id, "x"); got != status || d.asked[id+feedPath] != asked {
			t.Errorf("%s: %s gets %d, upstream asked %d times; want %d, %d", what, id, got, d.asked[id+feedPath], status, asked)
		}
	}
	for range 3 {
		check("at first", "good", 200, 1)
		check("at first", "poor", 403, 1)
		check("at first", "bad", 401, 1)
	}
	if got := admit("good", "another secret"); got != 200 || d.asked["good"+feedPath] != 2 {
		t.Error("another secret was not asked about")
	}
	now = now.Add(refuseFor)
	check("after a while", "bad", 401, 2)
	check("after a while", "good", 200, 2)
	now = now.Add(vouchFor)
	d.says("good", 502)
	d.says("poor", 502)
	d.says("new", 502)
	check("while it is away", "good", 200, 3)
	check("while it is away", "poor", 403, 2)
	check("while it is away", "new", 503, 1)
	check("not asked each time", "good", 200, 3)
	now = now.Add(askAgain)
	d.says("good", 401)
	check("it is back", "good", 401, 4)
	d.says("good", 502)
	now = now.Add(refuseFor)
	check("who was refused is not known any more", "good", 503, 5)
}

func TestARelayKeepsNoMoreThanItMay(t *testing.T) {
	m := newMemory[int](3)
	key := func(n int) (k [32]byte) { copy(k[:], strconv.Itoa(n)); return }
	for n := range 4 {
		m.put(key(n), n)
		m.get(key(1)) // is used all the time
	}
	for n, want := range []bool{false, true, true, true} {
		if v, ok := m.get(key(n)); ok != want || ok && v != n {
			t.Errorf("%d: %v, %v", n, v, ok)
		}
	}
	m.put(key(1), 9)
	if v, _ := m.get(key(1)); v != 9 || len(m.all) != 3 || m.used.Len() != 3 {
		t.Errorf("%d of %d", v, len(m.all))
	}
}

func TestSessionKeysAreTheCallersAlone(t *testing.T) {
	d := &doorman{asked: map[string]int{}, status: map[string]int{"good": 200, "poor": 403}}
	server := httptest.NewServer(d)
	defer server.Close()
	r, err := NewRelay(RelayConfig{Issuer: server.URL, Client: issuer.Client{ID: "relay", Secret: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.upstream.close()
	get := func(id, secret string) int {
		req := httptest.NewRequest("GET", sessionKeysPath, nil)
		req.SetBasicAuth(id, secret)
		w := httptest.NewRecorder()
		r.Public().ServeHTTP(w, req)
		return w.Code
	}
	for _, tc := range []struct {
		id, secret string
		want       int
	}{{"good", "x", 200}, {"poor", "x", 403}} {
		if got := get(tc.id, tc.secret); got != tc.want {
			t.Errorf("%s gets %d", tc.id, got)
		}
	}
	server.Close()
	for _, tc := range []struct {
		id, secret string
		want       int
	}{{"good", "x", 200}, {"poor", "x", 403}, {"good", "guessed", 503}, {"other", "x", 503}} {
		if got := get(tc.id, tc.secret); got != tc.want {
			t.Errorf("while the upstream is away %s with %s gets %d", tc.id, tc.secret, got)
		}
	}
}

// A thousand guests do not each wait for an upstream that does not answer.
func TestGuestsArePutOffWhileTheUpstreamIsAway(t *testing.T) {
	d := &doorman{asked: map[string]int{}, status: map[string]int{"guest": 502}}
	server := httptest.NewServer(d)
	defer server.Close()
	r, err := NewRelay(RelayConfig{Issuer: server.URL, Client: issuer.Client{ID: "relay", Secret: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.upstream.close()
	now := time.Now()
	r.outlet.now = func() time.Time { return now }
	for range 1000 {
		who := r.verifiers.join(name("guest"), "peer", nil, r.now())
		who.told(at(1), r.now())
		r.guests.add(who, caller{authorization: basicAuth("guest", "x")})
	}
	r.announceAll(t.Context(), r.guests.due(r.now()))
	if n := d.asked["guest"+heldPath]; n < 1 || n > announcers {
		t.Errorf("%d of them were announced to nobody", n)
	}
	if n := len(r.guests.due(r.now())); n != 0 {
		t.Errorf("%d are due again at once", n)
	}
	d.says("guest", 204)
	r.announceAll(t.Context(), r.guests.due(r.now().Add(announceRetry)))
	if n := len(r.guests.due(r.now().Add(announceEvery - announceSpread - time.Second))); n != 0 {
		t.Errorf("%d are not announced", n)
	}
	if n := len(r.guests.due(r.now().Add(announceEvery + announceSpread))); n != 1000 {
		t.Errorf("%d are announced again within the lease", n)
	}
}
