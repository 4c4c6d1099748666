package keys

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// maxReason caps what is kept of a reason, in bytes.
const maxReason = 200

// Revoke declares a key compromised: from now on it neither signs nor
// verifies, leaves every key set, and its private half is erased. If it was
// the signing key, its waiting successor or else the standby takes over at
// once, however young, because waiting would be worse. If it was itself
// waiting, the key before it goes on, or, too near to the change, the standby
// takes its place. A purpose always has a standby
// afterwards. The reason is cut to 200 bytes and kept with the key.
//
// Errors: ErrUnknownKey, ErrRetiredKey (nothing it made can be valid),
// ErrRevokedKey (it is already).
func (r *Ring) Revoke(kid, reason string, now time.Time) (*Ring, error) {
	n, now := r.successor(now)
	i := n.index(kid)
	switch state, _ := n.State(kid, now); {
	case i < 0 && r.index(kid) >= 0, state == Retired:
		return nil, fmt.Errorf("revoking %s: %w", clip(kid), ErrRetiredKey)
	case i < 0:
		return nil, fmt.Errorf("revoking %s: %w", clip(kid), ErrUnknownKey)
	case state == Revoked:
		return nil, fmt.Errorf("revoking %s: %w", clip(kid), ErrRevokedKey)
	}
	was := n.keys[i]
	signing := i == n.current(was.Purpose, now)
	n.kill(i, reason, now)
	switch {
	case signing:
		n.takeOver(was, now)
	case was.SignFrom.After(now):
		n.replace(i, now)
	}
	if err := n.fillStandby(was, now); err != nil {
		return nil, err
	}
	return n.finished()
}

func (n *Ring) kill(i int, reason string, now time.Time) {
	k := n.keys[i].erased()
	k.RevokedAt, k.Reason = now, tidy(reason)
	k.VerifyUntil = later(k.VerifyUntil, n.remembered(k.Purpose, now))
	n.keys[i] = k
}

// remembered is until when verifiers remember a revocation: the end of what a
// replica signs that has not heard yet.
func (r *Ring) remembered(p Purpose, now time.Time) time.Time {
	return now.Add(r.plan.Lease).Add(r.plan.Tail(p))
}

// takeOver lets the next key sign from now on in the place of the dead one.
func (n *Ring) takeOver(dead Key, now time.Time) {
	i := n.standby(dead.Purpose)
	for j, k := range n.keys {
		if k.Purpose == dead.Purpose && k.RevokedAt.IsZero() && k.SignFrom.After(now) {
			i = j
		}
	}
	n.hurry(i, later(now, dead.SignFrom), now)
}

// hurry promotes key i even if not every verifier can hold it yet.
func (n *Ring) hurry(i int, at, now time.Time) {
	if k := &n.keys[i]; at.Before(k.ready(n.plan)) {
		k.ReadyAt = at
	}
	n.promote(i, at, now)
}

// replace takes back a scheduled rotation to key i. The key that signs now
// goes on without an end, but only if no replica that has not heard of it can
// drop that key from its key set meanwhile: such a replica keeps to the old
// end for another lease. Otherwise the standby takes the place of key i at
// the moment that all expect.
func (n *Ring) replace(i int, now time.Time) {
	dead := &n.keys[i]
	at := dead.SignFrom
	dead.ScheduledAt, dead.SignFrom = time.Time{}, time.Time{}
	chain := n.chain(dead.Purpose)
	head := chain[len(chain)-1]
	if head.VerifyUntil.Before(now.Add(n.plan.Lease).Add(n.plan.Skew)) {
		n.hurry(n.standby(dead.Purpose), at, now)
		return
	}
	head.SignUntil, head.VerifyUntil = time.Time{}, time.Time{}
}

func (n *Ring) fillStandby(like Key, now time.Time) error {
	if n.standby(like.Purpose) >= 0 {
		return nil
	}
	k, err := Generate(like.Purpose, like.Alg)
	if err != nil {
		return err
	}
	n.add(k, now)
	return nil
}

// tidy makes a reason fit for a log line.
func tidy(reason string) string {
	reason = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(reason, "?"))
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	return reason
}
