package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// application believes what it is told, as one behind a proxy does.
type application struct {
	*httptest.Server
	asked atomic.Int32
}

// told is what it answers with: the request that has reached it.
type told struct {
	Method, URI, Body string
	Header            http.Header
}

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{}
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() { a.CloseClientConnections(); a.Close() })
	return a
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	switch {
	case r.ProtoAtLeast(1, 1) && strings.EqualFold(r.Header.Get("Connection"), "Upgrade") && r.Header.Get("Upgrade") == "websocket":
		converse(w, r)
		return
	case r.URL.Path == "/broken":
		http.Error(w, "the application's own", http.StatusInternalServerError)
		return
	case r.URL.Path == "/private":
		http.Error(w, "the application's own", http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(told{r.Method, r.RequestURI, string(body), r.Header})
}

// converse answers a line with another, in place of WebSocket's frames: the
// proxies look at the handshake alone.
func converse(w http.ResponseWriter, r *http.Request) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 §4.2.2
	fmt.Fprintf(both, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(accept[:]))
	_ = both.Flush()
	line, err := both.ReadString('\n')
	if err == nil {
		fmt.Fprintf(both, "%s says %s", r.Header.Get("X-Auth-Subject"), line)
		_ = both.Flush()
	}
}

// values are those of a header as an application sees them that makes no
// difference between a hyphen and an underscore: CGI and all that follows it.
func (s told) values(name string) (all []string) {
	plain := func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
	for n, values := range s.Header {
		if plain(n) == plain(name) {
			all = append(all, values...)
		}
	}
	return all
}
