package revocation

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// Type says what an entry names.
type Type uint8

// The types, by what a token must share with the entry to be dead. The first
// two and Key kill by identity; Claims kills what was issued before its time T,
// and the others what was logged in before theirs.
const (
	Token    Type = 1 // jti: this one access token
	Session  Type = 2 // sid: one login on one device
	Subject  Type = 3 // sub: all sessions of a subject that began before T
	Client   Type = 4 // client_id: all sessions of a client that began before T
	Audience Type = 5 // aud: all sessions for an audience that began before T
	Key      Type = 6 // kid: everything that this key signed
	All      Type = 7 // everything that began before T
	Claims   Type = 8 // sub: what tokens issued before T say of a subject; its sessions go on
)

// ErrInvalid is wrapped by every refusal of a malformed entry, position or
// frame.
var ErrInvalid = errors.New("malformed")

var typeNames = [...]string{Token: "token", Session: "session", Subject: "subject",
	Client: "client", Audience: "audience", Key: "key", All: "all", Claims: "claims"}

// String returns the type's word as the command line and the admin API write
// it: token, session, subject, client, audience, key, all.
func (t Type) String() string {
	if !t.valid() {
		return fmt.Sprintf("type(%d)", uint8(t))
	}
	return typeNames[t]
}

func (t Type) valid() bool { return t >= Token && t <= Claims }

// notBefore reports whether entries of this type match what was before T and
// not by identity alone.
func (t Type) notBefore() bool {
	return t == Subject || t == Client || t == Audience || t == All || t == Claims
}

// Target is what an entry is about: the pair that entries merge by, and that
// an index of live connections is keyed by.
type Target struct {
	Type Type
	ID   [16]byte // jti, sid: the raw id; All: zero; else the first half of a SHA-256
}

// Entry is one revocation. Times are whole Unix seconds.
type Entry struct {
	Type Type
	ID   [16]byte
	T    uint32 // when it was revoked; for a not-before type: dead if auth_time < T, for Claims if iat < T
	Made uint32 // when a store first took it; set by the store, zero on the feed
	Exp  uint32 // no token it can match is accepted any more from here on
}

// TokenEntry revokes one access token at time t. The entry lives until exp,
// which is the token's own exp.
func TokenEntry(jti tokens.ID, t, exp time.Time) Entry {
	return Entry{Type: Token, ID: jti, T: seconds(t), Exp: seconds(exp)}
}

// SessionEntry revokes a session at time t. The entry lives until exp: when
// the last refresh token of the session will have run out.
func SessionEntry(sid tokens.ID, t, exp time.Time) Entry {
	return Entry{Type: Session, ID: sid, T: seconds(t), Exp: seconds(exp)}
}

// SubjectEntry revokes every session of sub at the issuer iss that was logged
// in before that time, rounded up to the second. The entry lives until exp:
// when the longest session that began before then will have ended.
func SubjectEntry(iss, sub string, before, exp time.Time) Entry {
	return Entry{Type: Subject, ID: hashed(Subject, iss, sub), T: seconds(before), Exp: seconds(exp)}
}

// ClientEntry is SubjectEntry for the sessions of one client_id.
func ClientEntry(iss, client string, before, exp time.Time) Entry {
	return Entry{Type: Client, ID: hashed(Client, iss, client), T: seconds(before), Exp: seconds(exp)}
}

// AudienceEntry is SubjectEntry for the sessions for one audience.
func AudienceEntry(iss, aud string, before, exp time.Time) Entry {
	return Entry{Type: Audience, ID: hashed(Audience, iss, aud), T: seconds(before), Exp: seconds(exp)}
}

// KeyEntry revokes everything that the key kid of iss signed. The entry lives
// until exp, the key's last moment of verifying, on the feed too.
func KeyEntry(iss, kid string, t, exp time.Time) Entry {
	return Entry{Type: Key, ID: hashed(Key, iss, kid), T: seconds(t), Exp: seconds(exp)}
}

// AllEntry revokes every session that was logged in before that time.
func AllEntry(before, exp time.Time) Entry {
	return Entry{Type: All, T: seconds(before), Exp: seconds(exp)}
}

// ClaimsEntry revokes every access token of sub at the issuer iss that was
// issued before that time, rounded up to the second: roles or scopes have
// changed, and the tokens say the old ones. Its sessions go on, and the next
// refresh gives a token that says the new ones. The entry lives until exp: when
// the last token issued before then will have run out.
func ClaimsEntry(iss, sub string, before, exp time.Time) Entry {
	return Entry{Type: Claims, ID: hashed(Claims, iss, sub), T: seconds(before), Exp: seconds(exp)}
}

// Target returns what the entry is about.
func (e Entry) Target() Target { return Target{e.Type, e.ID} }

// Merge returns the larger of each time of two entries with one target. It is
// commutative, associative and idempotent. An entry of another target adds
// nothing.
func (e Entry) Merge(o Entry) Entry {
	if o.Target() != e.Target() {
		return e
	}
	e.T, e.Made, e.Exp = max(e.T, o.T), max(e.Made, o.Made), max(e.Exp, o.Exp)
	return e
}

// Covers reports whether merging o into e would change nothing: e already
// says all that o says.
func (e Entry) Covers(o Entry) bool {
	return e.Target() == o.Target() && e.Merge(o) == e
}

// Expired reports whether the entry can match no token that is still accepted.
func (e Entry) Expired(now time.Time) bool { return expired(e.Exp, now) }

// FeedExpiry returns when verifiers may forget the entry: min(Exp, Made + w),
// where w is the longest time from an entry's making to the end of the last
// access token that a service which had not heard of it yet could have issued.
// A revoked key stays until Exp, since its tokens are not renewed by anybody.
// Where Made is not known it is Exp.
func (e Entry) FeedExpiry(w time.Duration) uint32 {
	if e.Type == Key || e.Made == 0 {
		return e.Exp
	}
	end := uint64(e.Made) + uint64(max(0, w+time.Second-1)/time.Second)
	return uint32(min(uint64(e.Exp), end))
}

// OnFeed returns the entry as it travels to verifiers: without Made, and with
// FeedExpiry for its Exp.
func (e Entry) OnFeed(w time.Duration) Entry {
	return Entry{Type: e.Type, ID: e.ID, T: e.T, Exp: e.FeedExpiry(w)}
}

// Validate refuses an entry of an unknown type, or whose ID does not suit its
// type: zero for All, never zero for the others. The error wraps ErrInvalid.
func (e Entry) Validate() error {
	if !e.Type.valid() {
		return fmt.Errorf("entry of unknown type %d: %w", uint8(e.Type), ErrInvalid)
	}
	if (e.ID == [16]byte{}) != (e.Type == All) {
		return fmt.Errorf("entry of type %v with an unfit id: %w", e.Type, ErrInvalid)
	}
	return nil
}

// seconds rounds up, so that a not-before time never spares what it names and
// no entry goes too early, and stays within what four bytes hold.
func seconds(t time.Time) uint32 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return uint32(min(max(s, 0), math.MaxUint32))
}

func expired(exp uint32, now time.Time) bool { return int64(exp) <= now.Unix() }
