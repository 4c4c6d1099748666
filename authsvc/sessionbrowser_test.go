package authsvc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// simulated is the service as browsers meet it in simulated time: they drop its
// cookies when those have run out, which the real browser in its own time does
// not, and it can be away.
type simulated struct {
	t     *testing.T
	began time.Time

	mu      sync.Mutex
	passed  time.Duration // since began
	away    string        // "": not; cut, busy: no word comes from it; deaf: what it says is lost
	cookies map[string]time.Time
	calls   []call
}

// call is a request of a browser, preflights too.
type call struct {
	Minute     float64 // since the beginning
	Request    string  // method and path
	Background bool
	Retry      string
	Status     int // 0: no answer came
}

func (s *simulated) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.began.Add(s.passed)
}

// around is the service in that world.
func (s *simulated) around(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.drop(r)
		s.mu.Lock()
		away := s.away
		s.mu.Unlock()
		if away == "cut" {
			s.note(r, 0)
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		if away == "busy" {
			answer.Header().Set("Retry-After", "30")
			http.Error(answer, "<h1>503</h1>", http.StatusServiceUnavailable)
		} else {
			service.ServeHTTP(answer, r)
		}
		if away == "deaf" && r.URL.Path == "/v1/refresh" && r.Method == http.MethodPost {
			s.note(r, 0)
			panic(http.ErrAbortHandler)
		}
		s.note(r, answer.Code)
		s.keep(answer.Result().Cookies())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// drop takes cookies that have run out from a request.
func (s *simulated) drop(r *http.Request) {
	sent := r.Cookies()
	r.Header.Del("Cookie")
	now := s.now()
	for _, c := range sent {
		s.mu.Lock()
		end, known := s.cookies[c.Value]
		s.mu.Unlock()
		if !known || now.Before(end) {
			r.AddCookie(c)
		}
	}
}

func (s *simulated) keep(cookies []*http.Cookie) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cookies {
		s.cookies[c.Value] = now.Add(time.Duration(c.MaxAge) * time.Second)
	}
}

func (s *simulated) note(r *http.Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call{s.passed.Minutes(), r.Method + " " + r.URL.Path, r.Header.Get("Sealring-Activity") == "background",
		r.Header.Get("Sealring-Retry"), status})
}

// seen are the calls with this request, in those minutes.
func (s *simulated) seen(request string, from, to float64) (all []call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.Request == request && c.Minute >= from && c.Minute < to {
			all = append(all, c)
		}
	}
	return all
}

// control obeys who moves the browser: it says how late it is, and what is away.
func (s *simulated) control(w *world) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var order struct {
			At   float64 // milliseconds
			Away string
		}
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			s.t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.passed = max(s.passed, time.Duration(order.At*float64(time.Millisecond)))
		s.away = order.Away
		w.store.fault.Store(order.Away == "store")
	})
}

// shopPage is what the application shows, under as strict a policy as there is.
const shopPage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>The shop</title><link rel="stylesheet" href="/shop.css"><link rel="icon" href="data:,">
<script src="%s/session.js" defer></script>
<h1>Your cart</h1><table><tr><td>A seal ring, brass<td>48.00<tr><td>Sealing wax, red, three sticks<td>9.50<tr><th>Together<th>57.50</table>
<p><label>A note to us <textarea rows="3"></textarea></label>`

const shopStyle = `:root{color-scheme:light dark}body{max-width:40rem;margin:3rem auto;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif}
table{width:100%;border-collapse:collapse}td,th{padding:.5rem 0;border-bottom:1px solid #8886;text-align:left}td+td,th+th{text-align:right}textarea{display:block;width:100%;box-sizing:border-box}`

// cart is a page for who is logged in; everybody else is sent to the login, with
// the way back.
func (s *simulated) cart(w *world, issuer, origin string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /shop.css", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/css")
		_, _ = rw.Write([]byte(shopStyle))
	})
	mux.HandleFunc("GET /cart", func(rw http.ResponseWriter, r *http.Request) {
		s.drop(r)
		if w.get("/v1/verify", header("Cookie", r.Header.Get("Cookie"))).status != http.StatusOK {
			http.Redirect(rw, r, issuer+"/login?return_to="+url.QueryEscape(origin+r.URL.String()), http.StatusSeeOther)
			return
		}
		rw.Header().Set("Content-Security-Policy", "default-src 'none'; script-src "+issuer+"; connect-src "+issuer+
			"; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
		rw.Header().Set("Cache-Control", "no-store")
		_, _ = fmt.Fprintf(rw, shopPage, issuer)
	})
	return mux
}

// Three tabs of Debian's Chromium for an hour of simulated time, and on to the
// session's end, with the store away, the service away, and answers lost.
// SEALRING_SHOTS names a folder for pictures.
func TestThreeTabsStayLoggedInForAnHour(t *testing.T) { threeTabs(t, false) }

// The same where a proxy has the application and the service at one origin.
func TestThreeTabsStayLoggedInBesideTheService(t *testing.T) {
	if os.Getenv("SEALRING_FULL") == "" {
		t.Skip("once more a minute: SEALRING_FULL=1")
	}
	threeTabs(t, true)
}

func threeTabs(t *testing.T, beside bool) {
	s := &simulated{t: t, began: time.Now(), cookies: map[string]time.Time{}}
	front, app, orders := listen(t), listen(t), listen(t)
	issuer, origin := localhost(front), localhost(app)
	if beside {
		origin = issuer
	}
	w := &world{t: t, clock: s.now, before: func(svc *authsvc.Service) { svc.SetClock(s.now) }}
	buildWorld(w, func(c *authsvc.Config) {
		c.Issuer, c.AppOrigins, c.SessionTTL = issuer, []string{origin}, 75*time.Minute
	})
	public := http.NewServeMux()
	public.Handle("/", s.around(w.svc.Public()))
	public.Handle("/cart", s.cart(w, issuer, origin))
	public.Handle("/shop.css", s.cart(w, issuer, origin))
	for _, server := range []*http.Server{serve(front, public), serve(app, s.cart(w, issuer, origin)), serve(orders, s.control(w))} {
		t.Cleanup(func() { _ = server.Close() })
	}
	var seen struct {
		Steps            map[string][3]visited // of each tab
		Complaints, Wide []string
	}
	browse(t, "session.mjs", map[string]string{"shop": origin + "/cart", "control": localhost(orders)}, &seen)
	if file := os.Getenv("SEALRING_CALLS"); file != "" {
		all, err := json.MarshalIndent(s.calls, "", " ")
		must(t, err)
		must(t, os.WriteFile(file, all, 0o600))
	}
	if len(seen.Complaints) > 0 || len(seen.Wide) > 0 {
		t.Errorf("the browser complains of %q, scrolls aside on %q", seen.Complaints, seen.Wide)
	}
	s.judge(t, beside)

	cart := func(tab int) string { return fmt.Sprintf("%s/cart?tab=%d", origin, tab) }
	ended := func(reason string) func(int) string {
		return func(tab int) string {
			return issuer + "/sessions-ended?reason=" + reason + "&return_to=" + url.QueryEscape(cart(tab))
		}
	}
	for name, want := range map[string]struct {
		url  func(tab int) string
		told []string
	}{
		"shopping":    {cart, []string{"heading Your cart"}},
		"idle":        {cart, []string{"alertdialog Are you still there?", "StaticText 1:", "*button Stay signed in", "button Sign out"}},
		"outage":      {cart, []string{"alertdialog Are you still there?", "StaticText The service does not answer. Trying again …"}},
		"stayed":      {cart, []string{"heading Your cart"}},
		"hour":        {cart, []string{"heading Your cart"}},
		"last":        {cart, []string{"alertdialog Your session is about to end", "StaticText 1:", "button Sign in again", "*button Not yet"}},
		"expired":     {ended("expired"), []string{"heading Your session has ended", "link Sign in again"}},
		"back":        {cart, []string{"heading Your cart"}},
		"nobody":      {ended("idle"), []string{"heading Your session has ended", "StaticText It was not used for a while", "link Sign in again"}},
		"signing-out": {ended("logout"), []string{"heading You are signed out", "link Sign in again"}},
	} {
		tabs := seen.Steps[name]
		for i, tab := range tabs {
			if tab.URL != want.url(i+1) {
				t.Errorf("%s: tab %d is at %s", name, i+1, tab.URL)
			}
			for _, line := range want.told {
				if line[0] == '*' && i > 0 {
					line = line[1:] // the focus is where somebody looks
				}
				if !slices.ContainsFunc(tab.Told, func(l string) bool { return strings.HasPrefix(l, line) || strings.HasPrefix(l, "*"+line) }) {
					t.Errorf("%s: in tab %d nobody is told of %q: %q", name, i+1, line, tab.Told)
				}
			}
		}
	}
}

// judge says what the service must have been asked.
func (s *simulated) judge(t *testing.T, beside bool) {
	const refresh = "POST /v1/refresh"
	if n := len(s.seen("POST /login", 0, 75)); n != 1 {
		t.Errorf("%d logins before the session's end", n)
	}
	if n := len(s.seen("POST /login", 75, 1000)); n != 3 {
		t.Errorf("%d logins after the three ends", n)
	}
	// One for the headers of each kind of refresh, and those that found no answer.
	if n := len(s.seen("OPTIONS /v1/refresh", 22, 50)); n > 2 {
		t.Errorf("%d preflights: the browser does not keep the answer", n)
	}
	granted, ids := 0, map[string]int{}
	for _, c := range s.seen(refresh, 0, 60) {
		if c.Status == 200 {
			granted++
		}
		ids[c.Retry]++
		if c.Status == 401 {
			t.Errorf("refused: %+v", c)
		}
	}
	if granted < 10 || granted > 20 { // the life of an access token is 4.5 to 5 minutes
		t.Errorf("%d refreshes in the hour", granted)
	}
	t.Logf("%d refreshes were granted in the hour, %d attempts with %d ids", granted, len(s.seen(refresh, 0, 60)), len(ids))
	for _, c := range s.seen(refresh, 26, 46) {
		if !c.Background {
			t.Errorf("nobody was there: %+v", c)
		}
	}
	if n := len(s.seen(refresh, 6, 11)); n == 0 {
		t.Error("no refresh while the store was away")
	}
	if n := len(s.seen(refresh, 11, 17)) + len(s.seen("OPTIONS /v1/refresh", 11, 17)); n < 5 || n > 40 {
		t.Errorf("%d attempts while the service was away", n)
	}
	lost := s.seen(refresh, 17, 22)
	for _, c := range lost {
		if c.Retry != lost[0].Retry {
			t.Errorf("another id after a lost answer: %+v", c)
		}
	}
	if len(lost) < 2 || lost[0].Status != 0 {
		t.Errorf("no answer was lost: %+v", lost)
	}
}
