package budget_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// browser is a real one. It opens a page, and goes where that leads.
type browser struct {
	name    string
	command func(dir, url string) []string
}

var browsers = []browser{
	{"Chromium", func(dir, url string) []string {
		return []string{"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir=" + dir, "--dump-dom", url}
	}},
	{"Firefox", func(dir, url string) []string {
		return []string{"env", "HOME=" + dir, "firefox-esr", "--headless", "--no-remote", "--profile", dir, "--screenshot", filepath.Join(dir, "page.png"), url}
	}},
}

// What browsers keep of what they are told: at the limit, a byte less and a byte
// more. A cookie that is too large is ignored, and the old one stays; so is the
// attribute that is, and the cookie goes where it would without.
func TestTheBrowsersKeepWhatTheirProfileSays(t *testing.T) {
	for _, b := range browsers {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			w := newWay(t)
			for _, n := range []int{w.pair - 1, w.pair, w.pair + 1} {
				w.offerCookie(n)
			}
			for _, n := range []int{w.attribute - 1, w.attribute, w.attribute + 1} {
				w.offerPath(n)
			}
			s := httptest.NewServer(w)
			t.Cleanup(s.Close)
			start(t, b.command(folder(t), s.URL+somewhere+"?0")...)
			select {
			case <-w.end:
			case <-time.After(patience):
				t.Fatal("it did not come to the end of the way")
			}
		})
	}
}

// way is a chain of redirects: what comes with a request is looked at, and the
// answer sets the next cookie and leads on.
type way struct {
	t               *testing.T
	pair, attribute int // the limits
	stages          []stage
	end             chan struct{} // closed at the end
}

type stage struct {
	arrived func(cookies map[string]string)
	set     string // "": nothing
	next    string // path
}

const somewhere = "/somewhere/page" // where a cookie without a path would go, too

func newWay(t *testing.T) *way {
	limits := measured(t, "browsers")
	return &way{t: t, pair: limits[0].Bytes, attribute: limits[1].Bytes, end: make(chan struct{})}
}

// offerCookie offers a cookie of n bytes in place of a small one.
func (w *way) offerCookie(n int) {
	name := fmt.Sprintf("of%d", n)
	value := strings.Repeat("x", n-len(name))
	w.stages = append(w.stages,
		stage{set: name + "=old; Path=/", next: somewhere},
		stage{set: name + "=" + value + "; Path=/", next: somewhere},
		stage{next: somewhere, arrived: func(cookies map[string]string) {
			want := value
			if n > w.pair {
				want = "old"
			}
			if cookies[name] != want {
				w.t.Errorf("of a cookie of %d bytes came %.10q", n, cookies[name])
			}
		}})
}

// offerPath offers a cookie with a path of n bytes.
func (w *way) offerPath(n int) {
	name, path := fmt.Sprintf("at%d", n), "/"+strings.Repeat("p", n-1)
	look := func(where string, want bool) func(map[string]string) {
		return func(cookies map[string]string) {
			if _, came := cookies[name]; came != want {
				w.t.Errorf("a cookie with a path of %d bytes came %s: %v", n, where, came)
			}
		}
	}
	w.stages = append(w.stages,
		stage{set: name + "=here; Path=" + path, next: path},
		stage{next: somewhere, arrived: look("there", n <= w.attribute)},
		stage{next: somewhere, arrived: look("elsewhere", n > w.attribute)})
}

// ServeHTTP is one step: the query is its number.
func (w *way) ServeHTTP(a http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.RawQuery)
	if err != nil || n > len(w.stages) {
		http.NotFound(a, r) // /favicon.ico
		return
	}
	if n == len(w.stages) {
		close(w.end)
		return
	}
	cookies, s := map[string]string{}, w.stages[n]
	for _, c := range r.Cookies() {
		cookies[c.Name] = c.Value
	}
	if s.arrived != nil {
		s.arrived(cookies)
	}
	if s.set != "" {
		a.Header().Set("Set-Cookie", s.set)
	}
	http.Redirect(a, r, s.next+"?"+strconv.Itoa(n+1), http.StatusSeeOther)
}
