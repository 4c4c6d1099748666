package examples

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// events is a stream of the dashboard.
type events struct{ lines *bufio.Scanner }

func (s *site) listen(t *testing.T, who session) *events {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.at["dashboard"]+"/events", nil)
	must(t, err)
	r.Header.Set(who.header, who.value)
	resp, err := direct.Do(r)
	must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	return &events{bufio.NewScanner(resp.Body)}
}

// next is the next event, and false at the end of the stream.
func (e *events) next() (event, data string, ok bool) {
	for e.lines.Scan() {
		switch field, value, _ := strings.Cut(e.lines.Text(), ": "); field {
		case "event":
			event = value
		case "data":
			data = value
		case "":
			return event, data, true
		}
	}
	return "", "", false
}

// last reads to the end of the stream.
func (e *events) last(t *testing.T) string {
	t.Helper()
	var last string
	for {
		event, data, ok := e.next()
		if !ok {
			return last
		}
		last = event + " " + data
	}
}

// name reads the event that a stream begins with.
func (e *events) name(t *testing.T) (name string) {
	t.Helper()
	event, data, _ := e.next()
	if err := json.Unmarshal([]byte(data), &name); err != nil || event != "name" || name == "" {
		t.Fatalf("it begins with %q %q", event, data)
	}
	return name
}

func TestTheDashboardStreamsToAdministratorsUntilTheyLogOut(t *testing.T) {
	s := ready(t, "dashboard")
	ask(t, "GET", s.at["dashboard"]+"/events", s.itself(t).credential, "").want(t, http.StatusForbidden, "insufficient-role")
	ann := s.browser(t)
	stream := s.listen(t, ann)
	name := stream.name(t)
	var status struct {
		Live     bool
		Lag      float64
		Requests int
	}
	event, data, _ := stream.next()
	if err := json.Unmarshal([]byte(data), &status); err != nil || event != "status" || !status.Live || status.Requests != 1 || status.Lag > 60 {
		t.Fatalf("it goes on with %q %q", event, data)
	}
	s.logout(t, ann)
	began := time.Now()
	if last := stream.last(t); last != "end 4401" {
		t.Errorf("it ends with %q", last)
	}
	t.Logf("ended %v after the logout", time.Since(began))
	ask(t, "POST", s.at["dashboard"]+"/events/"+name+"/renew", s.browser(t).credential, "").want(t, http.StatusNotFound, "")
}

func TestAStreamOfTheDashboardGoesOnWithTheNextToken(t *testing.T) {
	s := ready(t, "dashboard")
	first, next := s.successive(t)
	stream := s.listen(t, first)
	ask(t, "POST", s.at["dashboard"]+"/events/"+stream.name(t)+"/renew", next.credential, "").want(t, http.StatusNoContent, "")
	s.revoke(t, "dashboard", first)
	for range 2 { // the second is of after the revocation
		if event, data, _ := stream.next(); event != "status" {
			t.Fatalf("it goes on with %q %q", event, data)
		}
	}
	s.revoke(t, "dashboard", next)
	if last := stream.last(t); last != "end 4401" {
		t.Errorf("it ends with %q", last)
	}
}

func TestADashboardThatStopsSaysSo(t *testing.T) {
	s := ready(t, "dashboard")
	stream := s.listen(t, s.browser(t))
	stream.name(t)
	must(t, s.runs["dashboard"].Process.Signal(os.Interrupt))
	if last := stream.last(t); last != "end 1001" {
		t.Errorf("it ends with %q", last)
	}
	<-s.runs["dashboard"].ended
}
