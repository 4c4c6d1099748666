package examples

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// message is what the chat sends.
type message struct{ Socket, From, Text string }

// member is one who is in the chat.
type member struct {
	*websocket.Conn
	socket string // its name
}

// dial opens a WebSocket. The refusal's status is 0 if it is taken.
func (s *site) dial(t *testing.T, who credential, origin string) (conn *websocket.Conn, refusal int) {
	t.Helper()
	header := http.Header{}
	if who != nobody {
		header.Set(who.header, who.value)
	}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, resp, err := websocket.Dial(t.Context(), s.at["chat"]+"/socket", &websocket.DialOptions{HTTPHeader: header, HTTPClient: &http.Client{Transport: &http.Transport{}}})
	if err != nil && resp == nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, 0
}

// join enters the chat.
func (s *site) join(t *testing.T, who session) *member {
	t.Helper()
	conn, refusal := s.dial(t, who.credential, s.at["chat"])
	if refusal != 0 {
		t.Fatalf("refused with %d", refusal)
	}
	m := &member{Conn: conn}
	first := m.hears(t)
	if m.socket = first.Socket; m.socket == "" || first.From != who.subject {
		t.Fatalf("it begins with %+v", first)
	}
	return m
}

func (m *member) hears(t *testing.T) (said message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, wsjson.Read(ctx, m.Conn, &said))
	return said
}

func (m *member) says(t *testing.T, text string) {
	t.Helper()
	must(t, wsjson.Write(t.Context(), m.Conn, map[string]string{"text": text, "from": "somebody else"}))
}

// wantClosed demands that the service closes the WebSocket with that code.
func (m *member) wantClosed(t *testing.T, code int) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var said message
	err := wsjson.Read(ctx, m.Conn, &said)
	if got := int(websocket.CloseStatus(err)); got != code {
		t.Fatalf("closed with %d (%+v, %v), want %d", got, said, err, code)
	}
	return time.Since(began)
}

func TestWhoLogsOutLeavesTheChat(t *testing.T) {
	s := ready(t, "chat")
	ann, ben := s.browser(t), s.client(t)
	if _, refusal := s.dial(t, nobody, s.at["chat"]); refusal != http.StatusUnauthorized {
		t.Errorf("nobody is answered %d", refusal)
	}
	if _, refusal := s.dial(t, ann.credential, "https://evil.example"); refusal != http.StatusForbidden {
		t.Errorf("a page of another origin is answered %d", refusal)
	}
	a, b := s.join(t, ann), s.join(t, ben)
	a.says(t, "hello")
	for _, m := range []*member{a, b} {
		if said := m.hears(t); said != (message{From: ann.subject, Text: "hello"}) {
			t.Errorf("hears %+v", said)
		}
	}
	s.logout(t, ann)
	t.Logf("closed %v after the logout", a.wantClosed(t, 4401))
	b.says(t, "still here")
	if said := b.hears(t); said.Text != "still here" {
		t.Errorf("hears %+v", said)
	}
}

// A WebSocket that was renewed is no longer of the token that it began with.
func TestAWebSocketGoesOnWithTheNextToken(t *testing.T) {
	s := ready(t, "chat")
	first, next := s.successive(t)
	m := s.join(t, first)
	renewal := func(socket string) string { return s.at["chat"] + "/socket/" + socket + "/renew" }
	ask(t, "POST", renewal("x"), next.credential, "").want(t, http.StatusNotFound, "")
	ask(t, "POST", renewal(m.socket), next.credential, "").want(t, http.StatusNoContent, "")

	s.revoke(t, "chat", first)
	m.says(t, "still here")
	if said := m.hears(t); said.Text != "still here" {
		t.Errorf("hears %+v", said)
	}
	s.revoke(t, "chat", next)
	m.wantClosed(t, 4401)

	other := s.join(t, s.browser(t)) // whose name somebody else has got hold of
	ask(t, "POST", renewal(other.socket), s.browser(t).credential, "").want(t, http.StatusUnauthorized, "")
	other.wantClosed(t, 4401)
}

// It waits for the browsers' answers, as long as that is polite.
func TestAChatThatStopsSaysSo(t *testing.T) {
	s := ready(t, "chat")
	m := s.join(t, s.browser(t))
	must(t, s.runs["chat"].Process.Signal(os.Interrupt))
	select {
	case <-s.runs["chat"].ended:
		t.Error("it has ended before its WebSocket has")
	case <-time.After(500 * time.Millisecond): // nobody reads: the WebSocket can not end
	}
	m.wantClosed(t, 1001)
	<-s.runs["chat"].ended
}

func TestThePagesOfTheExamplesRunNothingInline(t *testing.T) {
	s := ready(t, "chat", "dashboard")
	ann := s.browser(t)
	for _, name := range []string{"chat", "dashboard"} {
		a := ask(t, "GET", s.at[name]+"/", ann.credential, "")
		a.want(t, http.StatusOK, s.Issuer+"/session.js")
		if csp := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %q", name, csp)
		}
	}
}
