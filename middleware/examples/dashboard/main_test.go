package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/middleware/authtest"
)

func TestTheFiguresEndWithTheSessionAndSayWhy(t *testing.T) {
	iss := authtest.New(t)
	server := httptest.NewServer(iss.Guard().Handler(figures(10 * time.Millisecond)))
	defer server.Close()
	token := iss.Token()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(iss.SealedCookie(token, nil))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stream := bufio.NewReader(resp.Body)
	for range 3 {
		if line, err := stream.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: {") {
			t.Fatalf("%q %v", line, err)
		}
		_, _ = stream.ReadString('\n')
	}
	iss.Revoke(token)
	rest, err := io.ReadAll(stream)
	if err != nil || !strings.HasSuffix(string(rest), "event: end\ndata: 4401\n\n") {
		t.Errorf("%q %v", rest, err)
	}
}
