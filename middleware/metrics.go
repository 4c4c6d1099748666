package middleware

import (
	"context"
	"errors"
)

// Metrics is told what one guard does, to count it. middleware/promauth is one for
// Prometheus and middleware/otelauth one for OpenTelemetry. Nothing that it is told
// is a secret or says who somebody is, and there are only so many different things.
//
// Its methods are called on the way of every request, by many at once: they must be
// quick and never block. ctx is the request's, in which a span may be.
type Metrics interface {
	// Judged is called when a credential has been judged, whoever asked.
	// remembered: it was verified before, and only asked what may have changed.
	Judged(ctx context.Context, o Outcome, remembered bool)

	// Refused is called when a session that was accepted lacks what a rule demands
	// (RequireScope and the others).
	Refused(ctx context.Context, o Outcome)

	// Ended is called when a session has ended while a request was served, which
	// has ended with it.
	Ended(ctx context.Context, o Outcome)

	// Watch is called once, by New. status tells the guard's state at any time: its
	// lag, the length of its list, the age of its keys. The guard calls stop when it
	// is closed.
	Watch(status func() Status) (stop func())
}

// Outcome is what a decision came to. There are no others than these.
type Outcome uint8

// The outcomes, in the words of the problem documents; what those call
// invalid-token alone is told apart here.
const (
	Accepted Outcome = iota
	NoCredential
	InvalidRequest // two credentials, or a malformed one
	CrossOrigin
	InvalidToken // for any reason but the next ones
	Expired
	Revoked
	KeyRevoked
	OtherSession
	RefreshNeeded
	LoginNeeded
	InsufficientScope
	InsufficientRole
	Unavailable
	outcomes
)

var outcomeNames = [outcomes]string{
	"accepted", "no-credential", "invalid-request", "cross-origin", "invalid-token", "expired", "revoked", "key-revoked",
	"other-session", "refresh-needed", "login-needed", "insufficient-scope", "insufficient-role", "unavailable",
}

// Outcomes returns all of them, from 0 on.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomes)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// String is the outcome's name, fit for a label.
func (o Outcome) String() string {
	if o >= outcomes {
		return "invalid-token"
	}
	return outcomeNames[o]
}

// outcomeOf names what an error means, in the order in which the first counts: an
// expired token is an invalid one too.
func outcomeOf(err error) Outcome {
	for _, o := range [...]struct {
		err error
		is  Outcome
	}{
		{ErrNoCredential, NoCredential},
		{ErrMalformed, InvalidRequest},
		{ErrManyCredentials, InvalidRequest},
		{ErrCrossOrigin, CrossOrigin},
		{ErrExpired, Expired},
		{ErrRevoked, Revoked},
		{ErrKeyRevoked, KeyRevoked},
		{ErrOtherSession, OtherSession},
		{ErrRefreshNeeded, RefreshNeeded},
		{ErrLoginNeeded, LoginNeeded},
		{ErrInsufficientScope, InsufficientScope},
		{ErrInsufficientRole, InsufficientRole},
		{ErrUnavailable, Unavailable},
	} {
		if errors.Is(err, o.err) {
			return o.is
		}
	}
	return InvalidToken
}
