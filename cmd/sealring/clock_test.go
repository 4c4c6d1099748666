package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// ringOf puts a ring into a data folder in the place of its own.
func ringOf(t *testing.T, ring *keys.Ring) *settings {
	t.Helper()
	s := newDataFolder(t)
	must(t, os.Remove(s.path(ringFile)))
	must(t, os.Remove(s.path(seenFile)))
	master, err := s.masterKey()
	must(t, err)
	must(t, ringfile.Create(s.path(ringFile), master, ring))
	return s
}

// ran runs the program and returns its exit code and all that it printed.
func ran(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), args, nil, nil, &out, &out)
	return code, out.String()
}

func bornAt(t *testing.T, now time.Time) *keys.Ring {
	t.Helper()
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, now)
	must(t, err)
	return ring
}

func TestAClockFarAheadOfTheRingChangesNothingUnlessItIsTrusted(t *testing.T) {
	ring := bornAt(t, time.Now().Add(-200*24*time.Hour))
	kid := ring.Keys()[0].ID
	for name, args := range map[string][]string{
		"rotate":      {"rotate", "--use", "sig"},
		"rotate, dry": {"rotate", "--use", "sig", "--dry-run"},
		"revoke":      {"revoke", "--", kid},
		"prune":       {"prune"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ringOf(t, ring)
			args := append([]string{"keys", args[0], "--data", s.Data}, args[1:]...)
			before, err := os.ReadFile(s.path(ringFile))
			must(t, err)
			code, said := ran(t, args...)
			if code != exitRefused || !strings.Contains(said, "--trust-clock") || !strings.Contains(said, "ahead") {
				t.Errorf("exit code %d: %s", code, said)
			}
			after, err := os.ReadFile(s.path(ringFile))
			must(t, err)
			if !bytes.Equal(before, after) {
				t.Error("the ring has changed")
			}
			args = append(append(append([]string{}, args[:2]...), "--trust-clock"), args[2:]...)
			if code, said := ran(t, args...); code != exitOK {
				t.Errorf("trusted: exit code %d: %s", code, said)
			}
		})
	}
}

func TestARingFromTheFutureIsMendedByAClockThatIsTrusted(t *testing.T) {
	born := time.Now().Add(-time.Hour)
	ring := bornAt(t, born)
	spoilt := turned(t, ring, time.Now().Add(365*24*time.Hour))
	s := ringOf(t, spoilt)
	code, said := ran(t, "keys", "rotate", "--use", "sig", "--data", s.Data)
	if code != exitRefused || !strings.Contains(said, "behind the ring's last change") || !strings.Contains(said, "--trust-clock") {
		t.Errorf("exit code %d: %s", code, said)
	}
	code, said = ran(t, "keys", "rotate", "--use", "sig", "--trust-clock", "--data", s.Data)
	if code != exitOK || !strings.Contains(said, "Its times are set right") {
		t.Errorf("exit code %d: %s", code, said)
	}
	f, err := s.openRing(t.Context(), s.ringIn(nil))
	must(t, err)
	if err := f.Ring().CheckClock(time.Now()); err != nil || f.Ring().Generation() != spoilt.Generation()+1 {
		t.Errorf("generation %d: %v", f.Ring().Generation(), err)
	}
	old, err := ring.Current(keys.AccessToken, born)
	must(t, err)
	if k, err := f.Ring().Current(keys.AccessToken, time.Now()); err != nil || k.ID == old.ID {
		t.Errorf("the rotation was not carried out: %v signs, %v", k, err)
	}
}

// A revocation is not put off for a clock that is behind.
func TestARevocationDoesNotWaitForAClockThatIsBehind(t *testing.T) {
	ring := bornAt(t, time.Now().Add(24*time.Hour))
	s := ringOf(t, ring)
	if code, said := ran(t, "keys", "revoke", "--data", s.Data, "--", ring.Keys()[0].ID); code != exitOK {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestServicesAreHeardAboutTheTime(t *testing.T) {
	ring := bornAt(t, time.Now().Add(-time.Hour))
	for name, c := range map[string]struct {
		off     time.Duration
		refused bool
	}{
		"the same time":            {0, false},
		"within the skew":          {-50 * time.Second, false},
		"ahead, within the skew":   {50 * time.Second, false},
		"this clock is an hour on": {-time.Hour, true},
		"this clock is behind":     {time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(c.off).UTC().Format(http.TimeFormat))
			}))
			defer service.Close()
			s := ringOf(t, ring)
			code, said := ran(t, "keys", "rotate", "--use", "sig", "--data", s.Data, "--admin-url", "http://127.0.0.1:1,"+service.URL+"/")
			if (code == exitRefused) != c.refused || c.refused && !strings.Contains(said, "the service at "+service.URL+" says that it is 2") {
				t.Errorf("exit code %d: %s", code, said)
			}
		})
	}
}

func TestWhoDoesNotAnswerIsNoWitness(t *testing.T) {
	mute := witness{"Redis", func(context.Context) (time.Time, error) { return time.Time{}, errors.New("gone") }}
	if err := mute.contradicts(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	early := witness{"Redis", func(context.Context) (time.Time, error) { return time.Now().Add(-2 * time.Minute), nil }}
	if err := early.contradicts(t.Context(), time.Minute); err == nil || !strings.Contains(err.Error(), "Redis says that it is") {
		t.Errorf("%v", err)
	}
}
