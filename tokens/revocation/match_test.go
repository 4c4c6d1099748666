package revocation

import (
	"slices"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"pgregory.net/rapid"
)

var (
	tokenID   = tokens.ID{1}
	sessionID = tokens.ID{2}
)

// claims of a token that was issued an hour after its login at noon.
func claims() *tokens.Claims {
	return &tokens.Claims{
		Issuer:    iss,
		Subject:   "ann",
		Audience:  []string{"orders", "billing"},
		IssuedAt:  noon.Add(time.Hour),
		ExpiresAt: noon.Add(time.Hour + 5*time.Minute),
		ID:        tokenID,
		SessionID: sessionID,
		ClientID:  "login",
		AuthTime:  noon,
		KeyID:     "kid-1",
	}
}

func TestMatch(t *testing.T) {
	const day = 24 * time.Hour
	end, before := noon.Add(day), noon.Add(time.Second)
	noAuthTime := claims()
	noAuthTime.AuthTime = time.Time{}
	service := claims()
	service.SessionID, service.AuthTime, service.ID = tokens.ID{}, time.Time{}, tokens.ID{}
	foreign := claims()
	foreign.Issuer = "https://other.example.com"
	exchanged := claims()
	exchanged.ClientID, exchanged.Actors = "stock", []string{"stock", "orders", "login"}
	once := claims()
	once.ClientID, once.Actors = "login", []string{"login", "login"}
	alone := claims()
	alone.Actors = []string{"stock"}
	for name, c := range map[string]struct {
		e    Entry
		c    *tokens.Claims
		want bool
	}{
		"the client of a token whose one actor is another":            {ClientEntry(iss, "login", before, end), alone, true},
		"the client of the login, of an exchanged token":              {ClientEntry(iss, "login", before, end), exchanged, true},
		"the client of the login, too early":                          {ClientEntry(iss, "login", noon, end), exchanged, false},
		"the client that exchanged":                                   {ClientEntry(iss, "stock", noon.Add(time.Hour+1), end), exchanged, true},
		"the client that exchanged, by then":                          {ClientEntry(iss, "stock", noon.Add(time.Hour), end), exchanged, false},
		"the client that exchanged, by then, and logged in before":    {ClientEntry(iss, "stock", before, end), exchanged, false},
		"a client that exchanged before it":                           {ClientEntry(iss, "orders", noon.Add(time.Hour+1), end), exchanged, true},
		"a client that has nothing to do with it":                     {ClientEntry(iss, "billing", noon.Add(2*time.Hour), end), exchanged, false},
		"the client of the login, which exchanged, too":               {ClientEntry(iss, "login", before, end), once, true},
		"the subject of an exchanged token, by the time of its login": {SubjectEntry(iss, "ann", before, end), exchanged, true},
		"its jti":                                   {TokenEntry(tokenID, noon, end), claims(), true},
		"its jti, whatever the time":                {TokenEntry(tokenID, noon.Add(-day), end), claims(), true},
		"another jti":                               {TokenEntry(sessionID, noon, end), claims(), false},
		"its sid":                                   {SessionEntry(sessionID, noon.Add(-day), end), claims(), true},
		"another sid":                               {SessionEntry(tokenID, noon, end), claims(), false},
		"its key":                                   {KeyEntry(iss, "kid-1", noon.Add(-day), end), claims(), true},
		"another key":                               {KeyEntry(iss, "kid-2", noon, end), claims(), false},
		"its subject, logged in before":             {SubjectEntry(iss, "ann", before, end), claims(), true},
		"its subject, logged in at that second":     {SubjectEntry(iss, "ann", noon, end), claims(), false},
		"its subject, renewed since":                {SubjectEntry(iss, "ann", noon.Add(30*time.Minute), end), claims(), true},
		"another subject":                           {SubjectEntry(iss, "bob", before, end), claims(), false},
		"its subject at another issuer":             {SubjectEntry(iss, "ann", before, end), foreign, false},
		"a client named like the subject":           {ClientEntry(iss, "ann", before, end), claims(), false},
		"its client":                                {ClientEntry(iss, "login", before, end), claims(), true},
		"its client, too early":                     {ClientEntry(iss, "login", noon, end), claims(), false},
		"its first audience":                        {AudienceEntry(iss, "orders", before, end), claims(), true},
		"its second audience":                       {AudienceEntry(iss, "billing", before, end), claims(), true},
		"its audience, too early":                   {AudienceEntry(iss, "billing", noon, end), claims(), false},
		"another audience":                          {AudienceEntry(iss, "stock", before, end), claims(), false},
		"everything":                                {AllEntry(before, end), claims(), true},
		"everything, too early":                     {AllEntry(noon, end), claims(), false},
		"its claims, issued before":                 {ClaimsEntry(iss, "ann", noon.Add(time.Hour+1), end), claims(), true},
		"its claims, issued at that second":         {ClaimsEntry(iss, "ann", noon.Add(time.Hour), end), claims(), false},
		"its claims, logged in before":              {ClaimsEntry(iss, "ann", noon.Add(time.Minute), end), claims(), false},
		"another's claims":                          {ClaimsEntry(iss, "bob", noon.Add(2*time.Hour), end), claims(), false},
		"its subject's claims at another issuer":    {ClaimsEntry(iss, "ann", noon.Add(2*time.Hour), end), foreign, false},
		"no login: by the time of issue":            {AllEntry(noon.Add(time.Hour+1), end), noAuthTime, true},
		"no login: issued at that second":           {AllEntry(noon.Add(time.Hour), end), noAuthTime, false},
		"a service's token by its client":           {ClientEntry(iss, "login", noon.Add(2*time.Hour), end), service, true},
		"a service's token has no session to match": {Entry{Type: Session, Exp: 4e9}, service, false},
		"a token without jti":                       {Entry{Type: Token, Exp: 4e9}, service, false},
		"an unknown type":                           {Entry{Type: 9, ID: sessionID, Exp: 4e9}, claims(), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.e.Matches(c.c); got != c.want {
				t.Errorf("the entry says %v", got)
			}
			l := NewList()
			l.Apply(noon, c.e)
			e, got := l.Match(c.c)
			if got != c.want {
				t.Errorf("the list says %v", got)
			}
			if got && e != c.e {
				t.Errorf("the list names %v", e)
			}
			if e2, got2 := l.MatchTargets(c.c, Targets(c.c)); got2 != got || e2 != e {
				t.Errorf("by its targets the list says %v, and names %v", got2, e2)
			}
			if c.want && !slices.Contains(Targets(c.c), c.e.Target()) {
				t.Error("the target is not among Targets")
			}
		})
	}
}

func TestTargetsAreAllAndOnlyWhatCanMatch(t *testing.T) {
	types := func(c *tokens.Claims) (ts []Type) {
		for _, target := range Targets(c) {
			ts = append(ts, target.Type)
		}
		return ts
	}
	if got, want := types(claims()), []Type{Session, Token, Key, All, Subject, Client, Audience, Audience, Claims}; !slices.Equal(got, want) {
		t.Errorf("a session's token: %v, want %v", got, want)
	}
	if got, want := types(&tokens.Claims{Issuer: iss}), []Type{All}; !slices.Equal(got, want) {
		t.Errorf("a bare token: %v, want %v", got, want)
	}
}

// Whoever refreshes has to know whether it is the session that has ended.
func TestStaleClaimsAreNamedOnlyWhereNothingElseEnds(t *testing.T) {
	end := noon.Add(24 * time.Hour)
	stale := ClaimsEntry(iss, "ann", noon.Add(2*time.Hour), end)
	for _, other := range []Entry{TokenEntry(tokenID, noon, end), SessionEntry(sessionID, noon, end),
		SubjectEntry(iss, "ann", noon.Add(1), end), ClientEntry(iss, "login", noon.Add(1), end),
		AudienceEntry(iss, "billing", noon.Add(1), end), KeyEntry(iss, "kid-1", noon, end), AllEntry(noon.Add(1), end)} {
		l := NewList()
		l.Apply(noon, stale)
		if e, ok := l.Match(claims()); !ok || e != stale {
			t.Fatalf("%v %v", e, ok)
		}
		l.Apply(noon, other)
		if e, ok := l.Match(claims()); !ok || e != other {
			t.Errorf("%v is hidden by %v", other.Type, e.Type)
		}
		if e, ok := l.MatchTargets(claims(), Targets(claims())); !ok || e != other {
			t.Errorf("by the targets %v is hidden by %v", other.Type, e.Type)
		}
	}
}

func TestAListFindsWhatItHoldsOnATarget(t *testing.T) {
	l, e := NewList(), ClaimsEntry(iss, "ann", noon, noon.Add(time.Hour))
	if got, ok := l.Find(e.Target()); ok {
		t.Errorf("an empty list found %v", got)
	}
	l.Apply(noon, e)
	if got, ok := l.Find(e.Target()); !ok || got != e {
		t.Errorf("found %v %v", got, ok)
	}
	for _, target := range []Target{{Claims, [16]byte{1}}, {Subject, e.ID}, {}, {Type: 200}} {
		if got, ok := l.Find(target); ok {
			t.Errorf("%v found %v", target, got)
		}
	}
}

func TestAnEmptyNameIsNeverMatched(t *testing.T) {
	bare := &tokens.Claims{Issuer: iss, Audience: []string{""}}
	l := NewList()
	for _, e := range []Entry{SubjectEntry(iss, "", noon, noon), ClientEntry(iss, "", noon, noon),
		AudienceEntry(iss, "", noon, noon), KeyEntry(iss, "", noon, noon), ClaimsEntry(iss, "", noon, noon)} {
		if e.Matches(bare) {
			t.Errorf("%v matched", e.Type)
		}
		e.Exp = 4e9
		l.Apply(noon, e)
	}
	if e, ok := l.Match(bare); ok {
		t.Errorf("the list matched %v", e)
	}
}

// people draws claims and entries from few names, so that they meet.
func drawClaims(t *rapid.T) *tokens.Claims {
	name := rapid.SampledFrom([]string{"", "a", "b", "c"})
	c := &tokens.Claims{
		Issuer:    iss,
		Subject:   name.Draw(t, "sub"),
		ClientID:  name.Draw(t, "client"),
		Audience:  rapid.SliceOfN(name, 0, 3).Draw(t, "aud"),
		KeyID:     name.Draw(t, "kid"),
		ID:        tokens.ID{byte(rapid.IntRange(0, 4).Draw(t, "jti"))},
		SessionID: tokens.ID{byte(rapid.IntRange(0, 4).Draw(t, "sid"))},
		IssuedAt:  time.Unix(int64(rapid.IntRange(990, 1020).Draw(t, "iat")), 0),
	}
	if rapid.Bool().Draw(t, "exchanged") {
		c.Actors = rapid.SliceOfN(name, 1, 3).Draw(t, "act")
	}
	if rapid.Bool().Draw(t, "login") {
		c.AuthTime = time.Unix(int64(rapid.IntRange(980, 1010).Draw(t, "auth_time")), 0)
	}
	return c
}

func drawNamed(t *rapid.T) Entry {
	at := time.Unix(int64(rapid.IntRange(980, 1020).Draw(t, "t")), 0)
	exp := time.Unix(int64(rapid.IntRange(1000, 1100).Draw(t, "exp")), 0)
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	id := tokens.ID{byte(rapid.IntRange(1, 4).Draw(t, "id"))}
	switch Type(rapid.IntRange(1, 8).Draw(t, "type")) {
	case Token:
		return TokenEntry(id, at, exp)
	case Session:
		return SessionEntry(id, at, exp)
	case Subject:
		return SubjectEntry(iss, name, at, exp)
	case Client:
		return ClientEntry(iss, name, at, exp)
	case Audience:
		return AudienceEntry(iss, name, at, exp)
	case Key:
		return KeyEntry(iss, name, at, exp)
	case Claims:
		return ClaimsEntry(iss, name, at, exp)
	}
	return AllEntry(at, exp)
}

func TestWhatMatchesIsAmongTheTargets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, e := drawClaims(t), drawNamed(t)
		if e.Matches(c) && !slices.Contains(Targets(c), e.Target()) {
			t.Fatalf("%v matches, but a connection would not be found by it", e)
		}
	})
}

func TestTheVersionChangesWithWhatTheListHolds(t *testing.T) {
	l := NewList()
	last := l.Version()
	if last == 0 {
		t.Error("the version of an empty list is zero")
	}
	step := func(what string, want bool, now time.Time, es ...Entry) {
		t.Helper()
		l.Apply(now, es...)
		if changed := l.Version() != last; changed != want {
			t.Errorf("%s: changed is %v", what, changed)
		}
		last = l.Version()
	}
	step("a first entry", true, noon, TokenEntry(tokenID, noon, noon.Add(time.Hour)))
	step("the same again", false, noon, TokenEntry(tokenID, noon, noon.Add(time.Hour)))
	step("nothing", false, noon.Add(time.Second))
	step("a later end", true, noon, TokenEntry(tokenID, noon, noon.Add(2*time.Hour)))
	step("its expiry", true, noon.Add(3*time.Hour))
}
