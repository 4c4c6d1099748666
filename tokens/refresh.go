package tokens

import (
	"errors"
	"fmt"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// Refresh is the content of a refresh token: a place in its session's
// sequence, and what the next access token is made from, so that nothing need
// be stored until the first refresh. Two encryptions of the same content are
// the same token.
//
// Its plaintext is, in this order: version byte 3; one byte that is 1 for a
// cookie and 0 otherwise; the session id; Generation in four bytes; IssuedAt
// and ParentIssuedAt, FirstAttempt and LastAttempt in eight; AuthTime, IdleEnd and
// SessionEnd in four, in Unix seconds; Subject and ClientID, each as two bytes of length and the text;
// Audience and Scope, each as one byte of count, with the codes of the texts for
// which the key has a table (keys.Names); and the texts that have none. Versions 1
// and 2 are still read: they have no codes, and 1 has no attempts either.
type Refresh struct {
	SessionID      ID
	Generation     uint32    // of the session: 0 at login
	IssuedAt       int64     // of this generation, Unix ms
	ParentIssuedAt int64     // of the generation before, Unix ms; at login the issuer's choice
	Subject        string    // its bounds, and those of the next three, are those of Claims
	ClientID       string    // client that the session was made for
	Audience       []string  // what the access tokens are for, at least one
	Scope          []string  // what they allow; may be empty
	AuthTime       time.Time // the login; whole seconds
	IdleEnd        time.Time // end of this token unless used before, fixed when it is made; whole seconds
	SessionEnd     time.Time // absolute end, fixed at login; whole seconds
	Cookie         bool      // mode of the session: cookie, else token

	// The first and the last time that this token was shown and the store gave no
	// answer, by the clock of the store, Unix ms; 0: there was none. What has
	// replaced it about then may be what the client never heard of.
	FirstAttempt, LastAttempt int64
}

const (
	refreshVersion = 3
	maxMillis      = maxTime * 1000
)

// ErrRefresh is returned by SealRefresh for content out of its bounds.
var ErrRefresh = errors.New("tokens: malformed refresh token")

// SealRefresh makes the refresh token's value. Errors: ErrRefresh, and those
// of Seal.
func SealRefresh(r *Refresh, k keys.Key) (string, error) {
	if err := r.validate(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefresh, err)
	}
	plain, ok := r.encode(k.Names())
	if !ok {
		return "", ErrTooLong
	}
	return Seal(TypRefresh, plain, k)
}

// OpenRefresh opens a refresh token. Neither its age nor its place in the
// sequence is judged. Errors: those of Open, and the Reason BadPayload.
func OpenRefresh(raw string, src keys.Source, now time.Time) (*Refresh, error) {
	a, err := open(TypRefresh, raw, src, now, refreshRead)
	if err != nil {
		return nil, err
	}
	return a.refresh, nil
}

var refreshRead = []check{
	{"refresh", (*artefact).checkRefresh, foundRefresh},
}

func (a *artefact) checkRefresh() error {
	r, ok := parseRefresh(a.payload, a.key.Names())
	if !ok {
		return refuse(BadPayload, "not a refresh token's content")
	}
	a.refresh = r
	return nil
}

// refreshJudged are the ends of a refresh token, as whoever takes it judges
// them: without a leeway, since the clock that set them judges them. Each is
// independent of the other.
var refreshJudged = []check{
	{"idle-end", (*artefact).checkIdleEnd, foundIdleEnd},
	{"session-end", (*artefact).checkSessionEnd, foundSessionEnd},
}

func (a *artefact) checkIdleEnd() error {
	if !a.now.Before(a.refresh.IdleEnd) {
		return refuse(Expired, "it was not used in time")
	}
	return nil
}

func (a *artefact) checkSessionEnd() error {
	if !a.now.Before(a.refresh.SessionEnd) {
		return refuse(Expired, "the session has ended")
	}
	return nil
}

// validate holds at sealing as on opening.
func (r *Refresh) validate() error {
	if r.SessionID.IsZero() {
		return faultMissing
	}
	if r.IssuedAt <= 0 || r.IssuedAt > maxMillis || r.ParentIssuedAt < 0 || r.ParentIssuedAt > maxMillis {
		return faultRange
	}
	if r.FirstAttempt < 0 || r.LastAttempt < r.FirstAttempt || r.LastAttempt > maxMillis || r.FirstAttempt == 0 && r.LastAttempt != 0 {
		return faultRange
	}
	if !validTime(r.AuthTime) || !validTime(r.IdleEnd) || !validTime(r.SessionEnd) {
		return faultRange
	}
	if len(r.Audience) == 0 || len(r.Audience) > maxList || len(r.Scope) > maxList {
		return faultList
	}
	for _, list := range [...][]string{{r.Subject, r.ClientID}, r.Audience, r.Scope} {
		for _, s := range list {
			if err := validText(s, maxText); err != nil {
				return err
			}
		}
	}
	for _, s := range r.Scope {
		if !scopeToken(s) {
			return faultScope
		}
	}
	return nil
}

func (r *Refresh) encode(table *keys.Names) (plain []byte, ok bool) {
	w := writer{out: make([]byte, 0, 256)}
	w.byte(refreshVersion)
	if r.Cookie {
		w.byte(1)
	} else {
		w.byte(0)
	}
	w.out = append(w.out, r.SessionID[:]...)
	w.uint32(r.Generation)
	w.uint64(uint64(r.IssuedAt))
	w.uint64(uint64(r.ParentIssuedAt))
	w.uint64(uint64(r.FirstAttempt))
	w.uint64(uint64(r.LastAttempt))
	w.time(r.AuthTime)
	w.time(r.IdleEnd)
	w.time(r.SessionEnd)
	w.text(r.Subject)
	w.text(r.ClientID)
	var others writer
	ok = w.coded(table, &others, r.Audience, r.Scope)
	return append(w.out, others.out...), ok
}

func parseRefresh(plain []byte, table *keys.Names) (*Refresh, bool) {
	f, r := fields{in: plain}, &Refresh{}
	version := f.byte()
	f.demand(version >= 1 && version <= refreshVersion)
	mode := f.byte()
	f.demand(mode <= 1)
	r.Cookie = mode == 1
	copy(r.SessionID[:], f.take(len(r.SessionID)))
	r.Generation = f.uint32()
	r.IssuedAt, r.ParentIssuedAt = int64(f.uint64()), int64(f.uint64())
	if version > 1 {
		r.FirstAttempt, r.LastAttempt = int64(f.uint64()), int64(f.uint64())
	}
	r.AuthTime, r.IdleEnd, r.SessionEnd = f.time(), f.time(), f.time()
	r.Subject, r.ClientID = f.text(), f.text()
	if version == refreshVersion {
		f.coded(table, &f, &r.Audience, &r.Scope)
	} else {
		r.Audience, r.Scope = f.texts(), f.texts()
	}
	return r, f.done() && r.validate() == nil
}
