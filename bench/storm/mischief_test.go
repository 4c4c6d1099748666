package storm

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The figures are worth what the proxy is: each mischief is what its name says,
// to the replicas and to the client.
func TestTheProxyDoesItsMischief(t *testing.T) {
	const answer = "an answer of some length"
	heard, ended, wait := new(atomic.Int64), new(atomic.Int64), new(atomic.Int64)
	replica := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard.Add(1)
		if string(body) != "a question" || r.Header.Get("Sealring-Retry") == "" {
			t.Errorf("a replica hears %q, %v", body, r.Header)
		}
		select {
		case <-r.Context().Done(): // at once, where the connection is half-closed
			ended.Add(1)
		case <-time.After(time.Duration(wait.Load())):
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(replica.Close)
	addr := replica.Listener.Addr().String()
	for _, tc := range []struct {
		m     mischief
		heard int64
		got   string
		whole bool
	}{
		{none, 1, answer, true}, {late, 1, answer, true}, {lateAnswer, 1, answer, true},
		{repeated, 2, answer, true}, {echoed, 2, answer, true}, {halfClosed, 1, answer, true},
		{unsent, 0, "", false}, {lost, 1, "", false}, {cut, 1, answer[:len(answer)/2], false}, {headOnly, 1, "", false},
	} {
		t.Run(mischiefNames[tc.m], func(t *testing.T) {
			heard.Store(0)
			ended.Store(0)
			wait.Store(0)
			if tc.m == halfClosed {
				wait.Store(int64(patience))
			}
			p, _ := newBadProxy(t, []string{addr, addr}, 1)
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.pass(w, r, tc.m, 0, 20*time.Millisecond) }))
			got, status, err := ask(t, front.Listener.Addr())
			front.Close()
			p.echoes.Wait()
			if heard.Load() != tc.heard || got != tc.got || (err == nil) != tc.whole || (ended.Load() > 0) != (tc.m == halfClosed) {
				t.Errorf("heard %d times, %d of a closed connection; the client got %d %q, %v", heard.Load(), ended.Load(), status, got, err)
			}
			if head := tc.whole || tc.m == cut || tc.m == headOnly; head != (status == http.StatusOK) {
				t.Errorf("the client got the status %d", status)
			}
		})
	}
}

func ask(t *testing.T, addr net.Addr) (body string, status int, err error) {
	r, err := http.NewRequest(http.MethodPost, issuerURL+"/", strings.NewReader("a question"))
	must(t, err)
	r.Header.Set("Sealring-Retry", "an id")
	client := dialling(t, 1, addr.String())
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return string(data), res.StatusCode, err
}
