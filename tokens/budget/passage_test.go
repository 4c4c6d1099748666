package budget_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens/budget"
)

// Each limit that is said to have been measured, in the real program: what is
// predicted to be the most passes, and one byte more gets the status that the
// limit's source names. The prediction must hold whatever else is in the head.
func TestTheProgramsTakeWhatTheirProfilesSay(t *testing.T) {
	for _, p := range programs {
		t.Run(p.profile, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			address := p.run(t, o.Addr().String())
			for _, l := range measured(t, p.profile) {
				for _, shape := range shapes(l.Measure) {
					for extra, want := range []string{"200", l.Source[len(l.Source)-3:]} {
						h := sized(shape, l, l.Bytes+extra)
						if got := o.ask(t, address, l.Measure, h); got != want {
							_, bytes := l.Count(h)
							t.Errorf("%s of %d bytes in %d lines, from %.60q on: %s, want %s", l.Measure, bytes, h.Lines(), h.Start, got, want)
						}
					}
				}
			}
		})
	}
}

// Nobody's limit counts as measured without a program to ask.
func TestEveryMeasuredLimitHasItsProgram(t *testing.T) {
	asked := map[string]bool{"browsers": true}
	for _, p := range programs {
		asked[p.profile] = true
	}
	for _, p := range budget.Profiles() {
		if n := len(measured(t, p.Name)); n > 0 != asked[p.Name] {
			t.Errorf("%s: %d measured limits, a program: %v", p.Name, n, asked[p.Name])
		}
	}
}

func measured(t *testing.T, profile string) (limits []budget.Limit) {
	for _, l := range find(t, profile).Limits {
		if l.Profile == profile && !l.Documented {
			limits = append(limits, l)
		}
	}
	return limits
}

// shapes are heads with different things in them, the last of them the cookie.
func shapes(m budget.Measure) []budget.Head {
	if isResponse(m) {
		base := []budget.Field{{Name: "Content-Length", Value: "0"}}
		return []budget.Head{
			{Start: "HTTP/1.1 200 OK", Fields: base},
			{Start: "HTTP/1.1 200 Surprisingly good", Fields: append(lines(1, 300), base...)},
			{Start: "HTTP/1.1 200 OK", Fields: append(lines(30, 1), base...)},
		}
	}
	base := []budget.Field{{Name: "Host", Value: "localhost"}}
	return []budget.Head{
		{Start: "GET / HTTP/1.1", Fields: base},
		{Start: "GET /?" + strings.Repeat("p", 300) + " HTTP/1.1", Fields: append(base, lines(1, 1)...)},
		{Start: "POST / HTTP/1.1", Fields: append(append(base, lines(24, 50)...), budget.Field{Name: "Content-Length", Value: "0"})},
	}
}

func isResponse(m budget.Measure) bool { return strings.HasPrefix(string(m), "response") }

func lines(n, size int) (fields []budget.Field) {
	for i := range n {
		fields = append(fields, budget.Field{Name: fmt.Sprintf("X-%d", i), Value: strings.Repeat("v", size)})
	}
	return fields
}

// sized is the head with a cookie line that makes it as large as that, as the
// limit counts.
func sized(h budget.Head, l budget.Limit, bytes int) budget.Head {
	name := "Cookie"
	if isResponse(l.Measure) {
		name = "Set-Cookie"
	}
	with := func(n int) budget.Head {
		cookie := budget.Field{Name: name, Value: "c=" + strings.Repeat("x", n)}
		return budget.Head{Start: h.Start, Fields: append(slices.Clone(h.Fields), cookie)}
	}
	const some = 1000 // so that the line is the longest
	_, counted := l.Count(with(some))
	return with(some + bytes - counted)
}

// text is the head as it is sent.
func text(h budget.Head) string {
	var b strings.Builder
	b.WriteString(h.Start + "\r\n")
	for _, f := range h.Fields {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// origin is what a proxy asks. It answers each request with the same bytes.
type origin struct {
	net.Listener
	answer atomic.Pointer[string]
	cookie atomic.Int64 // bytes of the Cookie value that came last
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func newOrigin(t *testing.T) *origin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	o := &origin{Listener: l}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { o.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() }) // the program has ended, and its connections
	return o
}

func (o *origin) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	for lines := bufio.NewReader(conn); ; {
		head, err := readHead(lines)
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(head, "\r\n") {
			if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "cookie") {
				o.cookie.Store(int64(len(value)))
			}
		}
		_, _ = io.WriteString(conn, *o.answer.Load())
	}
}

// ask sends the head through a program, as a request or as the answer to one,
// and returns the status that comes of it. What gets 200 has come through whole.
func (o *origin) ask(t *testing.T, address string, m budget.Measure, h budget.Head) string {
	t.Helper()
	request, answer, cookie := text(h), fine, h.Fields[len(h.Fields)-1]
	if isResponse(m) {
		request, answer = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", request
	}
	o.answer.Store(&answer)
	o.cookie.Store(-1)
	conn, err := net.Dial("tcp", address)
	must(t, err)
	defer func() { _ = conn.Close() }()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	if _, err = io.WriteString(conn, request); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	head, err := readHead(bufio.NewReader(conn))
	if err != nil {
		return err.Error()
	}
	status := strings.SplitN(head, " ", 3)[1]
	switch came := o.cookie.Load(); {
	case status != "200":
	case isResponse(m) && !strings.Contains(strings.ToLower(head), strings.ToLower("Set-Cookie: "+cookie.Value+"\r\n")):
		return "200 without the cookie"
	case !isResponse(m) && came >= 0 && came != int64(len(cookie.Value)):
		return fmt.Sprintf("200 with %d bytes of the cookie", came)
	}
	return status
}

func readHead(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return "", err
		}
		if line == "\r\n" {
			return b.String(), nil
		}
	}
}
