package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sealring-dev/sealring/middleware/authtest"
	"github.com/sealring-dev/sealring/tokens"
)

func dial(t *testing.T, url, token string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func hears(t *testing.T, conn *websocket.Conn, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, got, err := conn.Read(ctx); err != nil || string(got) != want {
		t.Fatalf("heard %q (%v), want %q", got, err, want)
	}
}

func says(t *testing.T, conn *websocket.Conn, what string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(what)); err != nil {
		t.Fatal(err)
	}
}

func TestWhoLogsOutIsOutOfTheRoom(t *testing.T) {
	iss := authtest.New(t)
	guard := iss.Guard()
	server := httptest.NewServer(guard.Handler(&room{guard: guard}))
	defer server.Close()
	if _, _, err := websocket.Dial(t.Context(), server.URL, nil); err == nil {
		t.Error("somebody is let in without a session")
	}
	session := authtest.SessionID(tokens.NewID())
	anns := iss.Token(authtest.Subject("ann"), session)
	ann, bob := dial(t, server.URL, anns), dial(t, server.URL, iss.Token(authtest.Subject("bob")))
	says(t, ann, "hello")
	hears(t, ann, "ann: hello")
	says(t, ann, "/token "+iss.Token(authtest.Subject("ann"), session))
	says(t, bob, "hi")
	hears(t, ann, "bob: hi")
	iss.Revoke(anns) // she logs out, on another device
	_, _, err := ann.Read(t.Context())
	if code := websocket.CloseStatus(err); code != 4401 {
		t.Errorf("ann's connection ends with %d (%v)", code, err)
	}
	says(t, bob, "still here")
	for _, want := range []string{"ann: hello", "bob: hi", "bob: still here"} {
		hears(t, bob, want)
	}
}
