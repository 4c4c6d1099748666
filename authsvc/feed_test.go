package authsvc_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

func TestFeedBeginsWithKeysAndASnapshot(t *testing.T) {
	w := newWorld(t)
	before := w.revoke()
	s := w.follow("")
	first := <-s.events
	if first.name != "keys" {
		t.Fatalf("first event %+v", first)
	}
	payload, err := tokens.VerifyBytes(tokens.TypKeys, first.data, w.ring, time.Now())
	must(t, err)
	var got struct {
		Generation  uint64            `json:"generation"`
		Keys        []json.RawMessage `json:"keys"`
		SessionKIDs []string          `json:"session_kids"`
	}
	must(t, json.Unmarshal(payload, &got))
	if got.Generation != 1 || len(got.Keys) != 4 || len(got.SessionKIDs) != 2 || strings.Contains(string(payload), `"k"`) {
		t.Errorf("keys %s", payload)
	}
	f := s.frame()
	if f.Kind != revocation.Snapshot || !has(f, before) || time.Since(f.AsOf) > time.Second {
		t.Errorf("first frame %+v", f)
	}
	// what follows, follows
	sid := w.revoke()
	d := s.frame()
	if d.Kind != revocation.Delta || !has(d, sid) || d.Prev != f.Pos.Cursor || d.PrevEpoch != f.Pos.Epoch {
		t.Errorf("%+v after %+v", d, f)
	}
	if e := d.Entries[0]; e.Exp > uint32(time.Now().Add(23*time.Minute).Unix()) {
		t.Errorf("an entry stays on the feed until %v", time.Unix(int64(e.Exp), 0))
	}
}

func TestFeedSkipsNothingAndRepeatsNothing(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	pos := s.frame().Pos
	var want []tokens.ID
	for range 50 {
		want = append(want, w.revoke())
	}
	var frames int
	for len(want) > 0 {
		f := s.frame()
		frames++
		if f.Prev != pos.Cursor {
			t.Fatalf("a gap: %s, then %+v", pos, f)
		}
		pos = f.Pos
		for _, e := range f.Entries {
			if len(want) == 0 || e.ID != want[0] {
				t.Fatalf("not in order, or twice: %v", e)
			}
			want = want[1:]
		}
	}
	if frames > 25 {
		t.Errorf("50 revocations in a burst made %d frames", frames)
	}
}

func TestFirstRevocationAfterQuietLeavesAtOnce(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	s.frame()
	best := time.Hour // a busy machine is late, but never early
	for range 5 {
		time.Sleep(110 * time.Millisecond) // quiet
		began := time.Now()
		w.revoke()
		s.frame()
		best = min(best, time.Since(began))
	}
	if best > 50*time.Millisecond {
		t.Errorf("%v at best", best)
	}
}

func TestFeedResumes(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	pos := s.frame().Pos
	s.close()
	missed := []tokens.ID{w.revoke(), w.revoke(), w.revoke()}
	check := func(t *testing.T, s *stream) {
		t.Helper()
		left, at := slices.Clone(missed), pos
		for len(left) > 0 {
			f := s.frame()
			next, ok := f.Advance(at)
			if !ok {
				t.Fatalf("a gap between %s and %+v", at, f)
			}
			at = next
			left = slices.DeleteFunc(left, func(sid tokens.ID) bool { return has(f, sid) })
		}
	}
	t.Run("by since", func(t *testing.T) { check(t, w.follow("?since="+pos.String())) })
	t.Run("by Last-Event-ID", func(t *testing.T) { check(t, w.follow("", header("Last-Event-ID", pos.String()))) })
	t.Run("from nothing missed", func(t *testing.T) {
		at := w.frame(string(w.get("/v1/feed?snapshot=1", w.basic()).want(t, 200, "").body)).Pos
		s := w.follow("?since=" + at.String())
		sid := w.revoke()
		if f := s.frame(); f.Prev != at.Cursor || !has(f, sid) {
			t.Errorf("%+v after %s", f, at)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		w.stop()
		w.start()
		check(t, w.follow("?since="+pos.String()))
	})
	t.Run("from an unknown position", func(t *testing.T) {
		for _, p := range []revocation.Position{
			{Epoch: pos.Epoch + 1, Cursor: pos.Cursor},
			{Epoch: pos.Epoch, Cursor: revocation.Cursor{Ms: uint64(time.Now().Add(time.Hour).UnixMilli())}},
		} {
			s := w.follow("?since=" + p.String())
			if e := s.next("reset"); !strings.Contains(e.data, `"window_ms":`) {
				t.Errorf("%+v", e)
			}
			sid := w.revoke() // and it goes on from now
			if f := s.frame(); !has(f, sid) {
				t.Errorf("%+v", f)
			}
		}
	})
}

func TestFeedBeats(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	at := s.frame()
	for range 2 {
		e := s.next("")
		f := w.frame(e.data)
		if f.Kind != revocation.Delta || len(f.Entries) != 0 || f.Prev != at.Pos.Cursor || f.Pos != at.Pos || !f.AsOf.After(at.AsOf) {
			t.Errorf("heartbeat %+v after %+v", f, at)
		}
		at.AsOf = f.AsOf
	}
}

func TestSnapshotAlone(t *testing.T) {
	w := newWorld(t)
	sid := w.revoke()
	a := w.get("/v1/feed?snapshot=1", w.basic()).want(t, 200, "")
	f := w.frame(string(a.body))
	if !has(f, sid) || a.header.Get("ETag") != fmt.Sprintf("%q", f.Pos.String()) || a.header.Get("Content-Type") != "application/jose" {
		t.Errorf("%v %+v", a.header, f)
	}
	held := header("If-None-Match", a.header.Get("ETag"))
	if b := w.get("/v1/feed?snapshot=1", w.basic(), held).want(t, 304, ""); len(b.body) != 0 {
		t.Errorf("304 with %q", b.body)
	}
	later := w.revoke()
	w.eventually("the new snapshot", func() bool {
		b := w.get("/v1/feed?snapshot=1", w.basic(), held)
		return b.status == 200 && has(w.frame(string(b.body)), later)
	})
}

func TestLongPoll(t *testing.T) {
	w := newWorld(t)
	pos := w.frame(string(w.get("/v1/feed?snapshot=1", w.basic()).body)).Pos
	poll := "/v1/feed?wait=1&since="
	w.get(poll+pos.String(), w.basic()).want(t, 204, "")
	got := make(chan answer, 1)
	go func() { got <- w.get("/v1/feed?wait=20&since="+pos.String(), w.basic()) }()
	sid := w.revoke()
	a := <-got
	f := w.frame(string(a.want(t, 200, "").body))
	if f.Prev != pos.Cursor || !has(f, sid) || a.header.Get("ETag") != fmt.Sprintf("%q", f.Pos.String()) {
		t.Errorf("%+v", f)
	}
	// again from there, and from before a restart
	w.get(poll+f.Pos.String(), w.basic()).want(t, 204, "")
	w.stop()
	w.start()
	if f := w.frame(string(w.get(poll+pos.String(), w.basic()).want(t, 200, "").body)); !has(f, sid) {
		t.Errorf("%+v", f)
	}
	pos.Epoch++
	w.get(poll+pos.String(), w.basic()).want(t, 410, "unknown-position")
}

func TestFeedRefuses(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		query  string
		with   option
		status int
		code   string
	}{
		{"", header("X-Nothing", "x"), 401, "bad-client"},
		{"", withBearer(adminToken), 401, "bad-client"},
		{"", withBasic("orders", "wrong"), 401, "bad-client"},
		{"", withBasic("orders", strings.Repeat("x", 2000)), 401, "bad-client"},
		{"", withBasic("mars", w.secret), 401, "bad-client"},
		{"?since=x", w.basic(), 400, "invalid-request"},
		{"?wait=5", w.basic(), 400, "invalid-request"},
		{"?wait=0&since=00000000000001a7.1-1", w.basic(), 400, "invalid-request"},
		{"?wait=61&since=00000000000001a7.1-1", w.basic(), 400, "invalid-request"},
		{"?wait=x&since=00000000000001a7.1-1", w.basic(), 400, "invalid-request"},
		{"?snapshot=2", w.basic(), 400, "invalid-request"},
		{"?snapshot=1&snapshot=1", w.basic(), 400, "invalid-request"},
		{"?snapshot=1&since=00000000000001a7.1-1", w.basic(), 400, "invalid-request"},
	} {
		a := w.get("/v1/feed"+tc.query, tc.with).want(t, tc.status, tc.code)
		if tc.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("challenge %q", a.header.Get("WWW-Authenticate"))
		}
	}
	nobody := withBasic("nobody", w.nobody)
	w.get("/v1/feed", nobody).want(t, 403, "insufficient-scope")
	w.get("/v1/session-keys", nobody).want(t, 403, "insufficient-scope")
	w.get("/v1/session-keys", withBasic("orders", "wrong")).want(t, 401, "bad-client")
}

func TestFeedBoundsItsSubscribers(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.MaxSubscribers = 2 })
	a := w.follow("")
	w.follow("")
	if b := w.get("/v1/feed?snapshot=1", w.basic()).want(t, 503, "unavailable"); b.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a.close()
	w.eventually("a place is free", func() bool { return w.get("/v1/feed?snapshot=1", w.basic()).status == 200 })
}

func TestFeedSaysBye(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	s.frame()
	polled := make(chan answer, 1)
	pos := w.frame(string(w.get("/v1/feed?snapshot=1", w.basic()).body)).Pos
	me := tokens.NewID().String()
	go func() {
		defer close(polled)
		polled <- w.get("/v1/feed?wait=60&since="+pos.String()+"&verifier="+me, w.basic())
	}()
	w.eventually("the poll is in there", func() bool {
		return strings.Contains(string(w.get(w.admin+"/admin/v1/verifiers", withBearer(adminToken)).body), me)
	})
	w.stop()
	if e := s.next("bye"); !strings.Contains(e.data, `"window_ms":`) {
		t.Errorf("%+v", e)
	}
	if a := <-polled; a.status != 204 && a.status != 503 {
		t.Errorf("the poll got %d", a.status)
	}
	for range s.events { // it ends
	}
}

func TestAChangedRingGoesOut(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	s.frame()
	ring, err := w.ring.Rotate(keys.AccessToken, w.ring.Plan(), time.Now())
	must(t, err)
	old := w.login().str(t, "access_token")
	w.svc.SetRing(ring)
	payload, err := tokens.VerifyBytes(tokens.TypKeys, s.next("keys").data, ring, time.Now())
	must(t, err)
	if !strings.Contains(string(payload), `"generation":2`) {
		t.Errorf("%s", payload)
	}
	w.svc.SetRing(w.ring) // an older one is ignored
	if list := w.get(w.admin+"/admin/v1/keys", withBearer(adminToken)).want(t, 200, "").json(t); list["generation"].(float64) != 2 {
		t.Errorf("%v", list)
	}
	w.get("/v1/session", withBearer(old)).want(t, 200, "")
}

func TestARevokedKeyIsDeadEverywhere(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	s.frame()
	old := w.login()
	current, err := w.ring.Current(keys.AccessToken, time.Now())
	must(t, err)
	ring, err := w.ring.Revoke(current.ID, "stolen laptop", time.Now())
	must(t, err)
	w.svc.SetRing(ring)
	s.next("keys")
	f := s.frame()
	if len(f.Entries) != 1 || f.Entries[0].Type != revocation.Key {
		t.Errorf("%+v", f)
	}
	w.get("/v1/session", withBearer(old.str(t, "access_token"))).want(t, 401, "invalid-token")
	fresh := w.refresh(old.str(t, "refresh_token")).want(t, 200, "")
	w.get("/v1/session", withBearer(fresh.str(t, "access_token"))).want(t, 200, "")
}

// A Log that fails is followed again, and nobody misses what came meanwhile.
func TestFeedSurvivesALogThatFails(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	pos := s.frame().Pos
	w.log.fault.Store(true)
	(*w.log.cut.Load())()
	w.eventually("the fault is noticed", func() bool { return strings.Contains(w.logged.String(), "following the log") })
	sid := tokens.NewID()
	must(t, w.log.Log.Append(t.Context(), revocation.SessionEntry(sid, time.Now(), time.Now().Add(time.Hour))))
	w.log.fault.Store(false)
	f := s.frame()
	if next, ok := f.Advance(pos); !ok || next != f.Pos || !has(f, sid) || f.Kind != revocation.Delta {
		t.Errorf("%+v after %s", f, pos)
	}
}

func TestSessionKeys(t *testing.T) {
	w := newWorld(t)
	a := w.get("/v1/session-keys", w.basic()).want(t, 200, "")
	set, err := keys.ParseSet(a.body)
	must(t, err)
	if len(set.Keys()) != 2 || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d keys, %v", len(set.Keys()), a.header)
	}
	cookie := w.loginCookie().cookie(t, "__Host-session").Value
	_, err = tokens.OpenSession(cookie, set, time.Now())
	must(t, err)
}
