package main

import (
	"slices"
	"time"
)

// profile is a pair of lifetimes of sessions that somebody else has thought
// about.
type profile struct {
	name          string
	session, idle time.Duration // the longest that it allows
}

// profiles are the timeouts of the authentication assurance levels of NIST
// SP 800-63B-4: sections 2.1.3 (30 days in all; inactivity may be of any
// length), 2.2.3 (24 hours, 1 hour) and 2.3.3 (12 hours, 15 minutes). They are
// what a session needs and not what makes the level: that is how users
// authenticate.
var profiles = []profile{
	{"aal1", 30 * 24 * time.Hour, 30 * 24 * time.Hour},
	{"aal2", 24 * time.Hour, time.Hour},
	{"aal3", 12 * time.Hour, 15 * time.Minute},
}

// useProfile makes the lifetimes of the profile the defaults: what is set
// otherwise wins, and a shorter session_ttl bounds the idle time with it.
func (s *settings) useProfile() error {
	if s.Profile == "" {
		return nil
	}
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.name == s.Profile })
	if i < 0 {
		return usagef("profile is %q: aal1, aal2 or aal3", s.Profile)
	}
	if !s.isSet("session_ttl") {
		s.SessionTTL = profiles[i].session
	}
	if !s.isSet("idle_ttl") {
		s.IdleTTL = min(profiles[i].idle, s.SessionTTL)
	}
	return nil
}
