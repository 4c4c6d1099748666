package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealring-dev/sealring/keys"
)

// settingsOf are the settings by these flags and this environment.
func settingsOf(args []string, env map[string]string) (*settings, error) {
	s := &settings{}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s.addFlags(flags, serveSettings)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return s, s.load(flags, env)
}

func TestAProfileSetsTheLifetimesOfSessions(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		args          []string
		env           map[string]string
		session, idle time.Duration
	}{
		"no profile":                     {nil, nil, 12 * time.Hour, 30 * time.Minute},
		"AAL1":                           {[]string{"--profile", "aal1"}, nil, 30 * day, 30 * day},
		"AAL2":                           {[]string{"--profile=aal2"}, nil, day, time.Hour},
		"AAL3 by the environment":        {nil, map[string]string{"SEALRING_PROFILE": "aal3"}, 12 * time.Hour, 15 * time.Minute},
		"an idle time of one's own":      {[]string{"--profile=aal2", "--idle-ttl=20m"}, nil, day, 20 * time.Minute},
		"a session's end of one's own":   {[]string{"--profile=aal2", "--session-ttl=8h"}, nil, 8 * time.Hour, time.Hour},
		"a session shorter than idle":    {[]string{"--profile=aal1", "--session-ttl=8h"}, nil, 8 * time.Hour, 8 * time.Hour},
		"the default, said":              {[]string{"--profile=aal1", "--session-ttl=12h", "--idle-ttl=30m"}, nil, 12 * time.Hour, 30 * time.Minute},
		"a flag over another's profile":  {[]string{"--profile=aal3"}, map[string]string{"SEALRING_PROFILE": "aal1"}, 12 * time.Hour, 15 * time.Minute},
		"both of one's own, in two ways": {[]string{"--profile=aal3", "--idle-ttl=10m"}, map[string]string{"SEALRING_SESSION_TTL": "1h"}, time.Hour, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := settingsOf(c.args, c.env)
			if err != nil || s.SessionTTL != c.session || s.IdleTTL != c.idle {
				t.Fatalf("session_ttl %v, idle_ttl %v, %v; want %v and %v", s.SessionTTL, s.IdleTTL, err, c.session, c.idle)
			}
			// a ring that is made by it fits it
			ring, err := keys.NewRing(s.plan(), keys.ES256, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.checkRing(ring, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := settingsOf([]string{"--profile=aal4"}, nil); err == nil || !strings.Contains(err.Error(), "aal1, aal2 or aal3") {
		t.Errorf("an unknown profile: %v", err)
	}
}

// A ring that was made for shorter sessions is refused, and what is said then
// makes it fit.
func TestTheRemedyForARingOfShorterSessions(t *testing.T) {
	s, err := settingsOf([]string{"--profile=aal1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now().Add(-48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	err = s.checkRing(ring, time.Now())
	if err == nil || !strings.Contains(err.Error(), "--use enc --idle-ttl 720h --session-ttl 720h`") {
		t.Fatalf("got %v", err)
	}
	told, err := settingsOf([]string{"--idle-ttl=720h", "--session-ttl=720h"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []keys.Purpose{keys.SessionCookie, keys.RefreshToken} {
		if ring, err = ring.Rotate(p, told.plan(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.checkRing(ring, time.Now()); err != nil {
		t.Error(err)
	}
}
