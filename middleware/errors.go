package middleware

import (
	"errors"
	"fmt"
)

// What Check can say. Refuse turns each into its HTTP answer.
var (
	ErrNoCredential      = errors.New("no credential")                  // 401 without an error code
	ErrMalformed         = errors.New("malformed authorization header") // 400 invalid_request
	ErrManyCredentials   = errors.New("more than one credential")       // 400 invalid_request
	ErrCrossOrigin       = errors.New("cookie from another origin")     // 403
	ErrInvalidToken      = errors.New("invalid token")                  // 401 invalid_token, whatever is wrong with it
	ErrRefreshNeeded     = errors.New("token too old")                  // 401 invalid_token, problem refresh-needed: it and the list are, or what it says of its subject
	ErrUnavailable       = errors.New("no keys to verify with")         // 503
	ErrLoginNeeded       = errors.New("login too long ago")             // 401 insufficient_user_authentication (RFC 9470)
	ErrInsufficientScope = errors.New("insufficient scope")             // 403 insufficient_scope
	ErrInsufficientRole  = errors.New("insufficient role")              // 403 insufficient_scope, problem insufficient-role
)

// How a session ends, ErrRefreshNeeded aside. They are the causes
// (context.Cause) of an ended request context, and each is also an
// ErrInvalidToken when Check or Renew returns it. That a token which comes has
// expired is taken at its word: the signature of such a one is not looked at.
var (
	ErrRevoked      = fmt.Errorf("%w: session revoked", ErrInvalidToken)
	ErrKeyRevoked   = fmt.Errorf("%w: signing key revoked", ErrInvalidToken)
	ErrExpired      = fmt.Errorf("%w: expired", ErrInvalidToken)
	ErrOtherSession = fmt.Errorf("%w: of another session", ErrInvalidToken) // from Renew alone
)
