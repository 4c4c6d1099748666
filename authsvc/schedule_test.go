package authsvc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

// stepped is a Data in memory in which each call waits for its turn: so a test
// decides the order in which requests that are under way come to the store.
type stepped struct {
	mu   sync.Mutex
	kept map[tokens.ID]map[string][]byte
}

// turnsKey is the key of a request's turns in its context.
type turnsKey struct{}

// turns is where a request waits for its turn and says that it does.
type turns struct{ waiting, next chan struct{} }

func (s *stepped) turn(ctx context.Context) {
	if t, ok := ctx.Value(turnsKey{}).(*turns); ok {
		t.waiting <- struct{}{}
		<-t.next
	}
}

func (s *stepped) Read(ctx context.Context, sid tokens.ID, names ...string) ([][]byte, error) {
	s.turn(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	var out [][]byte
	for _, name := range names {
		out = append(out, s.kept[sid][name])
	}
	return out, nil
}

func (s *stepped) Write(ctx context.Context, sid tokens.ID, head []byte, cells map[string][]byte, _ time.Time) (bool, error) {
	s.turn(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.Equal(s.kept[sid][authsvc.DataHead], head) {
		return false, nil
	}
	if s.kept[sid] == nil {
		s.kept[sid] = map[string][]byte{}
	}
	maps.Copy(s.kept[sid], cells)
	return true, nil
}

// schedule is one browser with requests under way, whose steps come in an order
// by chance: when each is sent, with the cookies of that moment, when it comes to
// the store, and when its answer reaches the browser, if it does.
type schedule struct {
	w        *world
	rng      *rand.Rand
	jar      map[string]string
	requests []*request
	lossy    bool // answers may be lost
}

type request struct {
	method, path, body string
	sent, over         bool
	base               string // data of the cookie that it was sent with
	turns              turns
	done               chan *httptest.ResponseRecorder
	answer             *httptest.ResponseRecorder
	delivered          bool
}

func (s *schedule) patches(bodies ...string) {
	for _, body := range bodies {
		s.requests = append(s.requests, &request{method: "PATCH", path: "/v1/session", body: body})
	}
}

// cookies is the Cookie header of a request to that path.
func (s *schedule) cookies(path string) string {
	line := "__Host-session=" + s.jar["__Host-session"]
	if strings.HasPrefix(path, "/v1/refresh") {
		line += "; __Secure-refresh=" + s.jar["__Secure-refresh"]
	}
	return line
}

func (s *schedule) run() {
	for {
		var can []*request
		for _, q := range s.requests {
			if !q.delivered {
				can = append(can, q)
			}
		}
		if len(can) == 0 {
			return
		}
		s.step(can[s.rng.IntN(len(can))])
	}
}

func (s *schedule) step(q *request) {
	switch {
	case !q.sent:
		s.send(q)
	case !q.over:
		q.turns.next <- struct{}{}
		s.await(q)
	default:
		q.delivered = true
		if !s.lossy || s.rng.IntN(3) > 0 {
			s.take(q.answer)
		}
	}
}

func (s *schedule) send(q *request) {
	q.sent, q.base = true, s.held()
	q.turns = turns{make(chan struct{}), make(chan struct{})}
	q.done = make(chan *httptest.ResponseRecorder, 1)
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	if q.body != "" {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	r.Header.Set("Cookie", s.cookies(q.path))
	r = r.WithContext(context.WithValue(r.Context(), turnsKey{}, &q.turns))
	go func() {
		rec := httptest.NewRecorder()
		s.w.svc.Public().ServeHTTP(rec, r)
		q.done <- rec
	}()
	s.await(q)
}

// await returns when the request waits for its turn, or is over.
func (s *schedule) await(q *request) {
	select {
	case <-q.turns.waiting:
	case q.answer = <-q.done:
		q.over = true
	}
}

// take does what a browser does with an answer.
func (s *schedule) take(rec *httptest.ResponseRecorder) {
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(s.jar, c.Name)
		} else {
			s.jar[c.Name] = c.Value
		}
	}
}

// held is the data in the browser's cookie.
func (s *schedule) held() string {
	return s.w.carried(&http.Cookie{Value: s.jar["__Host-session"]})
}

// look is a request for the session, which is answered and delivered.
func (s *schedule) look() string {
	q := &request{method: "GET", path: "/v1/session"}
	s.send(q)
	for !q.over {
		s.step(q)
	}
	s.take(q.answer)
	return answer{body: q.answer.Body.Bytes()}.data(s.w.t)
}

// schedules makes a world for them, and one for each seed.
func schedules(t *testing.T, n int, data string, each func(seed uint64, s *schedule)) {
	t.Helper()
	w := buildWorld(&world{t: t, before: (*authsvc.Service).ChangeAtOnce}, func(c *authsvc.Config) { c.Data = &stepped{kept: map[tokens.ID]map[string][]byte{}} })
	for seed := range uint64(n) {
		s := &schedule{w: w, rng: rand.New(rand.NewPCG(seed, 7)), jar: map[string]string{}}
		for _, c := range w.loginWith(data).cookies {
			s.jar[c.Name] = c.Value
		}
		each(seed, s)
		if t.Failed() {
			t.Fatalf("schedule %d", seed)
		}
	}
}

// The example of every lost update: two requests add 2/B and 3/C at once, to
// {1/A}. The browser may be left with the older cookie, if its answer came last,
// and has the newer one as soon as it comes to the service again.
func TestTwoWhoAddAtOnceBothHold(t *testing.T) {
	n, older := size(300, 10_000), 0
	const want = `3 {"1":"A","2":"B","3":"C"}`
	schedules(t, n, `{"1":"A"}`, func(seed uint64, s *schedule) {
		s.lossy = seed%2 == 1
		s.patches(`{"2":"B"}`, `{"3":"C"}`)
		s.run()
		for _, q := range s.requests {
			if q.answer.Code != 200 {
				t.Errorf("%s: %d %s", q.body, q.answer.Code, q.answer.Body)
			}
		}
		if s.held() != want {
			older++
		}
		if got := s.look(); got != want || s.held() != want {
			t.Errorf("the session is %s, the cookie %s", got, s.held())
		}
	})
	t.Logf("%d schedules end with A, B and C; in %d the browser was left with an older cookie, until it came again", n, older)
	if older == 0 || older == n {
		t.Error("the order of the answers made no difference: nothing is shown")
	}
}

func TestOfTwoWhoChangeTheSameAtOnceOneIsTold(t *testing.T) {
	conflicts := 0
	schedules(t, size(200, 5_000), `{"1":"A"}`, func(_ uint64, s *schedule) {
		s.patches(`{"1":"B"}`, `{"1":"C"}`)
		s.run()
		first, second := s.requests[0], s.requests[1]
		got := s.look()
		switch codes := [2]int{first.answer.Code, second.answer.Code}; {
		case codes == [2]int{200, 412} && got == `2 {"1":"B"}`, codes == [2]int{412, 200} && got == `2 {"1":"C"}`:
			conflicts++
		case codes == [2]int{200, 200} && got == `3 {"1":"C"}` && second.base == `2 {"1":"B"}`, // it knew
			codes == [2]int{200, 200} && got == `3 {"1":"B"}` && first.base == `2 {"1":"C"}`:
		default:
			t.Errorf("%v, and the session is %s", codes, got)
		}
	})
	if conflicts == 0 {
		t.Error("there was no conflict: nothing is shown")
	}
}

// Any number of changes and refreshes by chance: what was accepted is the
// history of the session, and nobody in it has overwritten what he did not know.
func TestNoScheduleLosesAChange(t *testing.T) {
	refused := 0
	schedules(t, size(150, 5_000), `{"a":0}`, func(_ uint64, s *schedule) {
		s.lossy = true
		for i := range 2 + s.rng.IntN(6) {
			switch n := s.rng.IntN(6); n {
			case 0:
				s.requests = append(s.requests, &request{method: "POST", path: "/v1/refresh"})
			case 1:
				s.requests = append(s.requests, &request{method: "GET", path: "/v1/session"})
			default:
				s.patches(fmt.Sprintf(`{%q:%d}`, string(rune('a'+s.rng.IntN(3))), 10*i+n))
			}
		}
		s.run()
		refused += s.history()
	})
	if refused == 0 {
		t.Error("nothing was refused: nothing is shown")
	}
}

// history checks that the accepted changes, in the order of their versions, make
// the session what it is, and that each knew what it has overwritten. It returns
// how many were refused.
func (s *schedule) history() (refused int) {
	t := s.w.t
	t.Helper()
	by, newest := map[int]*request{}, 1
	for _, q := range s.requests {
		switch {
		case q.answer.Code == 412:
			refused++
		case q.answer.Code != 200:
			t.Errorf("%s %s: %d %s", q.method, q.path, q.answer.Code, q.answer.Body)
		case q.method == "PATCH":
			version, _ := versioned(t, answer{body: q.answer.Body.Bytes()}.data(t))
			by[version], newest = q, max(newest, version)
		}
	}
	want, changed := map[string]any{"a": 0.}, map[string]int{}
	for version := 2; version <= newest; version++ {
		q := by[version]
		if q == nil {
			t.Errorf("nobody made version %d", version)
			return refused
		}
		base, _ := versioned(t, q.base)
		var patch map[string]any
		must(t, json.Unmarshal([]byte(q.body), &patch))
		for name, v := range patch {
			if changed[name] > base {
				t.Errorf("version %d overwrote %q of %d, and knew %d", version, name, changed[name], base)
			}
			want[name], changed[name] = v, version
		}
	}
	version, data := versioned(t, s.look())
	if version != newest || !reflect.DeepEqual(data, want) {
		t.Errorf("the session is at %d %v, want %d %v", version, data, newest, want)
	}
	return refused
}

func versioned(t *testing.T, text string) (version int, data map[string]any) {
	t.Helper()
	number, object, _ := strings.Cut(text, " ")
	_, err := fmt.Sscan(number, &version)
	must(t, err)
	must(t, json.Unmarshal([]byte(object), &data))
	return version, data
}
