package authsvc

import (
	"context"
	"errors"
)

// Errors of Users and Clients. Every other error is an infrastructure fault:
// it is answered with 503 and never taken for a wrong password.
var (
	// ErrBadCredentials says that name and secret do not belong together:
	// wrong password and unknown name alike, after the same work.
	ErrBadCredentials = errors.New("bad credentials")
	// ErrNoUser says that the subject is not, or no longer, a user.
	ErrNoUser = errors.New("no such user")
)

// Users says who may log in. Implementations are safe for concurrent use and
// obey the context's deadline.
type Users interface {
	// Authenticate returns the user whose name and password these are, or
	// ErrBadCredentials. It does the same work for an unknown name as for a
	// wrong password, so that nobody learns names from the clock.
	Authenticate(ctx context.Context, username, password string) (User, error)
	// Lookup returns the user of a subject as it is now, disabled or not, or
	// ErrNoUser. Every refresh asks it.
	Lookup(ctx context.Context, subject string) (User, error)
}

// Clients says which services may speak for themselves (the feed, the session
// keys, client_credentials). Implementations are safe for concurrent use.
type Clients interface {
	// Authenticate returns the client whose id and secret these are, or
	// ErrBadCredentials, after the same work either way.
	Authenticate(ctx context.Context, id, secret string) (Client, error)
}

// User is one who may log in.
type User struct {
	Subject  string   // the token's sub: never reassigned to somebody else
	Username string   // what is typed; it may change
	Scopes   []string // RFC 6749 §3.3 scope tokens, without blanks
	Roles    []string // RFC 9068 §2.2.3.1
	Disabled bool     // may not log in; a refresh ends the session
}

// Client is a service that authenticates with an id and a secret.
type Client struct {
	ID     string   // the token's client_id
	Scopes []string // what it may do: "feed", "session-keys", and the application's own
}
