package authsvc

import (
	"context"
	"errors"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// Errors of Log and Sessions. Every other error is an infrastructure fault:
// the write may or may not have happened, and nobody is logged out for it.
var (
	// ErrUnknownPosition says that the log can not tell what was appended
	// after a position: it is of another epoch, or from the future. The
	// follower must begin with a snapshot.
	ErrUnknownPosition = errors.New("unknown feed position")
	// ErrStoreClosed says that the store was closed.
	ErrStoreClosed = errors.New("store closed")
	// ErrNotShared says that the entries of an Append are on this replica's
	// disk and in force on it and at its subscribers; the other replicas learn
	// of them when the shared store is back. It is no fault: nothing need be
	// tried again.
	ErrNotShared = errors.New("kept here, not shared yet")
	// ErrUnanswered is wrapped by what Present fails with when its step may have
	// been made all the same: it was sent, and no answer came. After any other
	// error it was not made, and will not be.
	ErrUnanswered = errors.New("no answer: the step may have been made")
)

// Log is the growing set of revocations: it merges by maximum and never
// forgets an entry before its Exp. It has an epoch, and every append a cursor
// within it; both outlive a restart. Implementations are safe for concurrent
// use.
type Log interface {
	// Append adds the entries, all or none. It returns nil or ErrNotShared once
	// they are durable here: on stable storage, and every Follow has returned
	// from delivering them. Any other error is a fault. A zero Made becomes the
	// time of the append; another is kept, for copies of what was appended
	// elsewhere. An entry that is invalid (revocation.ErrInvalid) or more than
	// MaxAppend at once are refused; one that adds nothing, because it has
	// expired or a like one is there, is acknowledged all the same, without a
	// new cursor, and with ErrNotShared where the like one is not shared yet.
	// When ctx ends first its error is returned and the append may still
	// happen.
	Append(ctx context.Context, entries ...revocation.Entry) error

	// Follow calls deliver with a snapshot of everything that has not
	// expired, and then with a delta for each append, in order and without a
	// gap: the Prev of each is the Pos of the one before. It never calls
	// deliver twice at once. Appends of all callers wait for deliver, so it
	// must be quick and must not call Append. Follow blocks until ctx ends,
	// and returns its error, or ErrStoreClosed.
	Follow(ctx context.Context, deliver func(Batch)) error

	// Since returns one delta from p to the present: the merge of every
	// append after p, without what has expired since, and whatever has no
	// place in the log yet. It is how a feed answers a verifier that was away,
	// also across a restart of the service. ErrUnknownPosition where it can
	// not.
	Since(ctx context.Context, p revocation.Position) (Batch, error)

	// AsOf returns the moment up to which everything that any replica has
	// appended has been delivered here: now, where the store is not shared. It
	// stands still while a shared store can not be read; zero before it was
	// read for the first time.
	AsOf() time.Time
}

// MaxAppend is how many entries one Append takes.
const MaxAppend = 10_000

// Batch is what a Log delivers: a frame of the feed to be, a snapshot or a
// delta. Its entries still carry Made and the full Exp, which the auth
// service needs for its own list; [revocation.Entry.OnFeed] is what
// verifiers get. It is shared by all followers: nobody may change it.
//
// A shared log has two kinds more. A delta whose Prev is its own Pos.Cursor
// carries entries that have no place in the log yet, because that is away.
// They are in force here and at the subscribers at once, and come once more in
// a delta with a place when they have one. The snapshot may have them only
// where nobody can have come to its position elsewhere, such as at the begin of
// an epoch: a position says nothing of them. A rebase leads
// those who follow over to a new epoch, with what they may lack of the old.
type Batch struct {
	Frame revocation.Frame
}

// Sessions remembers how far each session's refresh tokens have come. Nothing
// is kept for a session before its first refresh. Implementations are safe
// for concurrent use.
type Sessions interface {
	// Present is one atomic step (see Step) on the state of p.SessionID. What
	// it decided is on stable storage when it returns. Of any number of
	// concurrent presentations of one token exactly one answers Advance. A
	// session entry in the Log, where both are one store, answers Revoked. An
	// error says nothing about the token; if it is ErrUnanswered the step may
	// have been made, or be made yet if ctx has ended.
	Present(ctx context.Context, p Presentation) (Outcome, error)

	// Settle looks at the state of p.SessionID (see the function Settle) once
	// the store is back, after a Present of p that went without an answer, or
	// was granted without the store at the given time. It is atomic as Present
	// is, and any number of repetitions does no harm.
	Settle(ctx context.Context, p Presentation, granted time.Time) (Outcome, error)

	// Now returns the time by the store's clock, as far as it is known.
	Now() time.Time
}

// Presentation is a refresh token shown to the service. The caller has opened
// it and checked its expiry, its client and the revocations known to it.
type Presentation struct {
	SessionID      tokens.ID
	Generation     uint32    // g: its place in the session's sequence; 0 from the login
	IssuedAt       int64     // i: when g was issued, Unix milliseconds
	ParentIssuedAt int64     // p: when g-1 was issued, Unix milliseconds; 0 for g = 0
	SessionEnd     time.Time // absolute end of the session: how long its state is kept

	FirstAttempt int64 // when it was shown before and not answered, by the clock of the store, Unix milliseconds
	LastAttempt  int64 // and when for the last time; 0: it was not

	Retry [8]byte // RetryHash of what names the attempts with this token; zero: nothing
	Bound bool    // the request proved possession of the key that the token is bound to

	Grace time.Duration // refresh_grace; zero: 10 s, at most 5 min
}

// Verdict is what one presentation of a refresh token comes to.
type Verdict uint8

// The verdicts. The first three succeed: the answer is a new access token and
// the refresh token of the Outcome.
const (
	Advance   Verdict = iota + 1 // a new generation
	Same                         // too young to advance: the token itself again
	Replay                       // its successor again: a parallel tab, a lost answer
	Theft                        // used after it was replaced: the session is dead from now on
	Revoked                      // the session was dead already
	StateLost                    // the store may have forgotten a revocation: log in again
)

// String returns the verdict in lower case, for logs and metrics.
func (v Verdict) String() string {
	switch v {
	case Advance:
		return "advance"
	case Same:
		return "same"
	case Replay:
		return "replay"
	case Theft:
		return "theft"
	case Revoked:
		return "revoked"
	case StateLost:
		return "state-lost"
	}
	return "unknown"
}

// Granted reports whether the presentation succeeded.
func (v Verdict) Granted() bool { return v == Advance || v == Same || v == Replay }

// Outcome is the answer to a Presentation.
type Outcome struct {
	Verdict Verdict
	Row     uint8 // of Step, or of Settle, that decided; 0 for StateLost

	// The refresh token to answer with, when Granted: same session, this
	// generation and times. Every answer to one token carries the same. For
	// Theft the newest generation that there was; its times are left out.
	Generation     uint32
	IssuedAt       int64 // Unix milliseconds
	ParentIssuedAt int64 // Unix milliseconds

	// The session's revocation, for Theft and Revoked. The caller appends it
	// to the Log: always, because a crash may have come between an earlier
	// verdict and its append. Appending it again costs nothing.
	Revocation revocation.Entry
}
