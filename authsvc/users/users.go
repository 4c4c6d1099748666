// Package users is Sealring's built-in answer to who may log in: a file of
// people (users.json) and a file of services (clients.json).
//
// Both are small JSON documents that a human can read and only their owner
// may: a file that group or others can read is refused. A write locks,
// re-reads, changes and replaces the file atomically, so that the command
// line and a running service never see half a change or lose one. A reader
// asks the file system once per authentication whether the file has changed
// and reads it again if so; when what it then finds is damaged it goes on with
// the copy it has and says so in the log, because one bad edit must not lock
// everybody out.
//
// People choose their passwords, so these are hashed with Argon2id (RFC 9106)
// at 19 MiB, two passes and one lane, and kept as PHC strings. A hash takes
// about 28 ms of a core, which makes it the most expensive thing that a
// stranger can ask for: only as many run at a time as there are cores, a short
// queue waits, and everybody else hears [ErrBusy] at once.
//
// Services do not choose: their secrets are 256 random bits, which nobody can
// guess at any speed. A slow hash would protect nothing there and would put
// 28 ms before every connection to the feed, so the client file keeps a plain
// SHA-256.
//
// An unknown name, a wrong password and a disabled user are one error,
// [authsvc.ErrBadCredentials], at the price of one hash.
package users

import (
	"log/slog"
	"time"
)

// Config is how the two files are opened. The zero value is ready to use.
type Config struct {
	// Log hears of damaged files and of hashes that could not be renewed.
	// Nil: slog.Default().
	Log *slog.Logger
	// Params are the cost of a password hash. Zero: DefaultParams. A user
	// whose hash was made with others gets a new one at the next login.
	Params Params
	// Slots is how many hashes may run at the same time, each with
	// Params.Memory. Zero: the number of cores.
	Slots int
	// Queue is how many logins may wait for a slot. Zero: eight per slot,
	// about a quarter of a second of waiting. Negative: none.
	Queue int
	// Now tells the time a user or client is created at. Nil: time.Now.
	Now func() time.Time
}

// queuePerSlot times 28 ms is the longest that a login waits for its slot.
const queuePerSlot = 8

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Params == (Params{}) {
		c.Params = DefaultParams()
	}
	if c.Slots <= 0 {
		c.Slots = cores()
	}
	switch {
	case c.Queue == 0:
		c.Queue = queuePerSlot * c.Slots
	case c.Queue < 0:
		c.Queue = 0
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// OpenUsers opens the user file at path with the defaults. A file that does
// not exist holds no users yet; the first Add creates it.
func OpenUsers(path string) (*UserFile, error) { return Config{}.OpenUsers(path) }

// OpenClients opens the client file at path with the defaults. A file that
// does not exist holds no clients yet; the first Add creates it.
func OpenClients(path string) (*ClientFile, error) { return Config{}.OpenClients(path) }
