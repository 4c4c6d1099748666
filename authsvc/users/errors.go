package users

import "errors"

// ErrBusy says that a login was not even tried: every hash slot and every
// place in the queue is taken, or the caller's context ended in the queue. It
// is an infrastructure fault (503, try again), never a wrong password.
var ErrBusy = errors.New("too many logins at once")

// What an operation on the files is refused for.
var (
	ErrExists      = errors.New("already exists")
	ErrNotFound    = errors.New("no such entry")
	ErrName        = errors.New("unusable name")
	ErrPassword    = errors.New("unusable password")
	ErrHash        = errors.New("unusable password hash")
	ErrPermissions = errors.New("readable or writable by others than its owner")
	ErrDamaged     = errors.New("damaged file")
)
