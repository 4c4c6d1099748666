package tokens

import (
	"strconv"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// Check is the verdict of one check on one artefact.
type Check struct {
	Name    string // what was checked, in one word; those of a cookie's token begin with "token "
	OK      bool
	Skipped bool   // an earlier check failed, so this one could not be made; OK is false
	Detail  string // what was found, or what is wrong. It may quote names and times, never the artefact
}

// Explain says check by check why an artefact of any kind is accepted or not:
// an access token, a session cookie (the seal, then the token in it), a
// refresh token (the seal, then its two ends), an entry of the feed. It runs
// the very checks of Verify and Open in the same order, but goes on where
// Verify stops as long as a check does not need the one that failed. The
// artefact is accepted if every Check is OK. The kind is taken from its own typ; without a known one it is
// explained as an access token.
func Explain(raw string, src keys.Source, e Expect, now time.Time) []Check {
	if err := e.check(); err != nil {
		return []Check{{Name: "expectation", Detail: err.Error()}}
	}
	a := &artefact{raw: raw, kind: claimedKind(raw), src: src, expect: e, now: now}
	var t trail
	switch a.kind.typ {
	case TypSession:
		t.note(a, gate, sealed, sessionRead)
		if a.session != nil {
			t.prefix = "token "
			t.token(a.session.Token, src, e, now)
		}
	case TypRefresh:
		t.note(a, gate, sealed, refreshRead)
		t.each(a, refreshJudged)
	case TypFeed, TypKeys:
		t.note(a, gate, signed)
	default:
		t.token(raw, src, e, now)
	}
	return t.checks
}

// claimedKind is the kind that the artefact says it is.
func claimedKind(raw string) kind {
	if in, err := InspectUnverified(raw); err == nil {
		if k, ok := kindOf(in.Typ); ok {
			return k
		}
	}
	k, _ := kindOf(TypAccess)
	return k
}

// trail collects verdicts.
type trail struct {
	checks []Check
	prefix string
	failed bool
}

func (t *trail) token(raw string, src keys.Source, e Expect, now time.Time) {
	kind, _ := kindOf(TypAccess)
	a := &artefact{raw: raw, kind: kind, src: src, expect: e, now: now}
	t.note(a, gate, signed, read)
	t.each(a, judged)
}

// each notes checks that do not need each other.
func (t *trail) each(a *artefact, list []check) {
	stop := t.failed
	for _, c := range list {
		t.failed = stop
		t.one(a, c)
	}
}

func (t *trail) note(a *artefact, lists ...[]check) {
	for _, list := range lists {
		for _, c := range list {
			t.one(a, c)
		}
	}
}

func (t *trail) one(a *artefact, c check) {
	v := Check{Name: t.prefix + c.name}
	if t.failed {
		v.Skipped, v.Detail = true, "not reached"
	} else if err := c.run(a); err != nil {
		t.failed, v.Detail = true, err.Error()
	} else {
		v.OK = true
	}
	if !v.Skipped && c.found != nil {
		v.Detail = strings.TrimPrefix(v.Detail+"; "+c.found(a), "; ")
	}
	t.checks = append(t.checks, v)
}

// What each check found, for the eye.

func foundLength(a *artefact) string {
	return strconv.Itoa(len(a.raw)) + " of at most " + strconv.Itoa(a.kind.max) + " bytes"
}

func foundForm(a *artefact) string {
	return strconv.Itoa(strings.Count(a.raw, ".")+1) + " parts"
}

func foundType(a *artefact) string     { return strconv.Quote(a.header.typ) }
func foundAlg(a *artefact) string      { return strconv.Quote(a.header.alg) }
func foundKey(a *artefact) string      { return a.header.kid }
func foundIssuer(a *artefact) string   { return strconv.Quote(a.claims.Issuer) }
func foundAudience(a *artefact) string { return strconv.Quote(strings.Join(a.claims.Audience, " ")) }
func foundIssued(a *artefact) string   { return "iat " + a.when(a.claims.IssuedAt) }
func foundLogin(a *artefact) string    { return "auth_time " + a.when(a.claims.AuthTime) }
func foundExpiry(a *artefact) string   { return "exp " + a.when(a.claims.ExpiresAt) }

func foundClaims(a *artefact) string {
	if a.claims == nil {
		return ""
	}
	return "sub " + strconv.Quote(a.claims.Subject)
}

func foundSession(a *artefact) string {
	if a.session == nil {
		return ""
	}
	return "idle end " + a.when(a.session.IdleEnd) + ", session end " + a.when(a.session.SessionEnd)
}

func foundRefresh(a *artefact) string {
	if a.refresh == nil {
		return ""
	}
	mode := "token"
	if a.refresh.Cookie {
		mode = "cookie"
	}
	return "sub " + strconv.Quote(a.refresh.Subject) + ", generation " + strconv.FormatUint(uint64(a.refresh.Generation), 10) + ", mode " + mode
}

func foundIdleEnd(a *artefact) string    { return a.when(a.refresh.IdleEnd) }
func foundSessionEnd(a *artefact) string { return a.when(a.refresh.SessionEnd) }

// when is a time and how far it is away.
func (a *artefact) when(t time.Time) string {
	d := t.Sub(a.now).Round(time.Second)
	if d < 0 {
		return t.Format(time.RFC3339) + " (" + (-d).String() + " ago)"
	}
	return t.Format(time.RFC3339) + " (in " + d.String() + ")"
}
