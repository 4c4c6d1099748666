package authsvc_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// loginWith logs in by cookie with n bytes of data, and returns the head of the
// answer as it came over the wire.
func loginWith(t *testing.T, issuer string, n int) []byte {
	t.Helper()
	body := `{"username":"ann","password":"` + password + `","mode":"cookie","data":{"b":"` + strings.Repeat("x", n) + `"}}`
	return raw(t, issuer, "POST /v1/login HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n"+
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

// largest is the most data that a login passes with.
func largest(t *testing.T, issuer string) int {
	low, high := 0, 6000 // fits, does not
	for high-low > 1 {
		middle := (low + high) / 2
		if bytes.HasPrefix(loginWith(t, issuer, middle), []byte("HTTP/1.1 200")) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// The budget counts what goes over the wire, to the byte: the answer to the
// largest session that passes has a header block of at most the limit, and
// with a few bytes more it is refused.
func TestBudgetCountsTheRealHeader(t *testing.T) {
	w := newWorld(t)
	most := largest(t, w.issuer)
	if size := len(loginWith(t, w.issuer, most)); size > 4096 || size < 4096-8 {
		t.Errorf("the largest header block that passes is %d bytes", size)
	}
	if !bytes.HasPrefix(loginWith(t, w.issuer, most+1), []byte("HTTP/1.1 413")) {
		t.Error("one more byte passes")
	}
}

// Behind a Caddy alone, what an nginx would not pass on is sent: up to what a
// browser keeps.
func TestABudgetIsThatOfItsProfiles(t *testing.T) {
	w := newWorld(t, func(c *authsvc.Config) { c.BudgetProfiles = []string{"caddy"} })
	most := largest(t, w.issuer)
	a := w.post("/v1/login", `{"username":"ann","password":"`+password+`","mode":"cookie","data":{"b":"`+strings.Repeat("x", most)+`"}}`).want(t, 200, "")
	c := a.cookie(t, "__Host-session")
	if n := len(c.Name) + len(c.Value); n > 4096 || n < 4096-2 {
		t.Errorf("the largest cookie that passes is %d bytes", n)
	}
	if size := len(loginWith(t, w.issuer, most)); size <= 4096 {
		t.Errorf("an nginx would have passed it on: %d bytes", size)
	}
}

// Each login and each refresh with cookies counts once, whether it was refused,
// and whether it came as a form.
func TestTheHeadroomOfEverySessionIsCounted(t *testing.T) {
	w := newWorld(t)
	before := w.svc.Headroom()
	jar := w.loginCookie()
	w.post("/v1/refresh", "", withCookies(jar.cookie(t, "__Secure-refresh"))).want(t, 200, "")
	w.submit("ann", password, "").want(t, 303, "")
	w.login() // without cookies
	w.get("/v1/session", withCookies(jar.cookie(t, "__Host-session"))).want(t, 200, "")
	after := w.svc.Headroom()
	if grew(before, after, -1) != 0 || grew(before, after, 4095) != 3 || after.Sum <= before.Sum {
		t.Errorf("three sessions: %+v", after)
	}
	most := largest(t, w.issuer)
	before = w.svc.Headroom()
	loginWith(t, w.issuer, most)
	loginWith(t, w.issuer, most+1)
	loginWith(t, w.issuer, most+100)
	after = w.svc.Headroom()
	if grew(before, after, -1) != 2 || grew(before, after, 63) != 3 {
		t.Errorf("one that just fits and two that do not: %+v, before %+v", after, before)
	}
}

// grew is how many more there are of at most so much headroom.
func grew(before, after authsvc.Headroom, bound int) (n int) {
	for i := range slices.Index(after.Bounds, bound) + 1 {
		n += int(after.Counts[i] - before.Counts[i])
	}
	return n
}

// raw sends a request and returns the answer's header block.
func raw(t *testing.T, url, request string) []byte {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	must(t, err)
	defer func() { _ = c.Close() }()
	must(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = io.WriteString(c, request)
	must(t, err)
	var got []byte
	for !bytes.Contains(got, []byte("\r\n\r\n")) {
		chunk := make([]byte, 4096)
		n, err := c.Read(chunk)
		must(t, err)
		got = append(got, chunk[:n]...)
	}
	return got[:bytes.Index(got, []byte("\r\n\r\n"))+4]
}
