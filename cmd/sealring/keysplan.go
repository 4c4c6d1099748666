package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// step is one moment in the life of a ring's keys.
type step struct {
	At      time.Time    `json:"at"`
	Purpose keys.Purpose `json:"purpose"`
	KID     string       `json:"kid"`
	Step    string       `json:"step"`
	text    string
}

// The steps of a key.
const (
	stepPublished = "published"
	stepSigns     = "signs-from"
	stepLastSign  = "last-signature"
	stepLastCheck = "last-verification"
	stepDue       = "rotation-due"
)

// makes is what the keys of a purpose make, for sentences.
var makes = map[keys.Purpose]string{
	keys.AccessToken:   "access tokens",
	keys.Feed:          "the trust feed",
	keys.SessionCookie: "session cookies",
	keys.RefreshToken:  "refresh tokens",
}

// verbs of a purpose: what its key does, the one act, and its undoing.
type verbs struct{ does, act, undo string }

func verbsOf(p keys.Purpose) verbs {
	if p == keys.SessionCookie || p == keys.RefreshToken {
		return verbs{"seals", "seal", "opening"}
	}
	return verbs{"signs", "signature", "verification"}
}

// rotationSteps are the moments of the rotation that was scheduled last for
// each of the purposes, in their order.
func rotationSteps(ring *keys.Ring, purposes []keys.Purpose) []step {
	var steps []step
	for _, p := range purposes {
		chain, standby := chainOf(ring, p)
		if len(chain) < 2 {
			continue
		}
		old, next, v := chain[len(chain)-2], chain[len(chain)-1], verbsOf(p)
		steps = append(steps,
			step{next.PublishAt, p, next.ID, stepPublished, "published"},
			step{next.SignFrom, p, next.ID, stepSigns, v.does + " from here on"},
			step{old.SignUntil, p, old.ID, stepLastSign, "last " + v.act + " of the old key"},
			step{old.VerifyUntil, p, old.ID, stepLastCheck, "last " + v.undo + " with it"})
		if standby != nil {
			steps = append(steps, step{standby.PublishAt, p, standby.ID, stepPublished, "published, as the next standby"})
		}
	}
	sortSteps(steps)
	return steps
}

func sortSteps(steps []step) {
	slices.SortStableFunc(steps, func(a, b step) int { return a.At.Compare(b.At) })
}

// chainOf are the keys of a purpose that sign, signed or will, in the order in
// which they do, and the standby.
func chainOf(ring *keys.Ring, p keys.Purpose) (chain []keys.Key, standby *keys.Key) {
	for _, k := range ring.Keys() {
		switch {
		case k.Purpose != p:
		case !k.SignFrom.IsZero():
			chain = append(chain, k)
		case k.RevokedAt.IsZero():
			standby = &k
		}
	}
	slices.SortStableFunc(chain, func(a, b keys.Key) int {
		if c := a.SignFrom.Compare(b.SignFrom); c != 0 {
			return c
		}
		return boolOrder(a.RevokedAt.IsZero(), b.RevokedAt.IsZero()) // of two at once the live one took over
	})
	return chain, standby
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// upcoming are the moments of all keys that are still to come.
func upcoming(ring *keys.Ring, now time.Time) []step {
	var steps []step
	for _, p := range keys.Purposes() {
		chain, _ := chainOf(ring, p)
		v := verbsOf(p)
		for _, k := range chain {
			if !k.RevokedAt.IsZero() {
				continue
			}
			steps = append(steps,
				step{k.SignFrom, p, k.ID, stepSigns, v.does + " from here on"},
				step{k.SignUntil, p, k.ID, stepLastSign, "its last " + v.act},
				step{k.VerifyUntil, p, k.ID, stepLastCheck, "last " + v.undo + " with it"})
			if k.SignUntil.IsZero() {
				steps = append(steps, step{k.SignFrom.Add(period(ring)), p, k.ID, stepDue, "a rotation is due"})
			}
		}
	}
	steps = slices.DeleteFunc(steps, func(s step) bool { return s.At.IsZero() || !s.At.After(now) })
	sortSteps(steps)
	return steps
}

// period is how long a key signs until a rotation is due.
func period(ring *keys.Ring) time.Duration {
	if p := ring.Plan().Period; p > 0 {
		return p
	}
	return keys.DefaultPlan().Period
}

func stepRows(steps []step, now time.Time) [][]string {
	var rows [][]string
	for _, s := range steps {
		rows = append(rows, []string{moment(s.At), away(s.At, now), string(s.Purpose), short8(s.KID), s.text})
	}
	return rows
}

// away says how far a moment is away.
func away(t, now time.Time) string {
	switch d := t.Sub(now); {
	case d > time.Second:
		return "in " + brief(d)
	case d < -time.Second:
		return brief(-d) + " ago"
	}
	return "now"
}

// brief is a duration in its largest units, as people say it.
func brief(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", (d+12*time.Hour)/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
