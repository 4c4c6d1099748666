package users

import (
	"crypto/rand"
	"crypto/subtle"
	"runtime"

	"golang.org/x/crypto/argon2"
)

// Params are the cost of an Argon2id hash (RFC 9106 §3.1).
type Params struct {
	Memory uint32 // KiB, at least 8 per lane
	Time   uint32 // passes over the memory
	Lanes  uint8  // degree of parallelism
}

// DefaultParams returns 19 MiB, two passes, one lane: the first of OWASP's
// equivalent minimums, about 28 ms on a core of 2024.
func DefaultParams() Params { return Params{Memory: 19 * 1024, Time: 2, Lanes: 1} }

// Limits on what a file may ask of us: a hash is computed before anything is
// known about who asks, so one edited line must not cost a gigabyte.
const (
	maxMemory = 256 * 1024
	maxTime   = 16
	maxLanes  = 16

	minSalt, maxSalt = 8, 64
	minSum, maxSum   = 16, 64
)

// What new hashes are made of (RFC 9106 §4).
const (
	newSalt = 16
	newSum  = 32
)

func (p Params) usable() bool {
	return p.Lanes >= 1 && p.Lanes <= maxLanes &&
		p.Time >= 1 && p.Time <= maxTime &&
		p.Memory >= 8*uint32(p.Lanes) && p.Memory <= maxMemory
}

// hash is one stored password: what a PHC string says.
type hash struct {
	Params
	salt, sum []byte
}

func newHash(password string, p Params) hash {
	salt := make([]byte, newSalt)
	rand.Read(salt) // never fails since Go 1.24
	return hash{p, salt, derive(password, p, salt, newSum)}
}

// dummyHash is what a login with an unknown name is compared with. Its sum is
// random: no password leads to it.
func dummyHash(p Params) hash {
	h := hash{p, make([]byte, newSalt), make([]byte, newSum)}
	rand.Read(h.salt)
	rand.Read(h.sum)
	return h
}

func (h hash) matches(password string) bool {
	sum := derive(password, h.Params, h.salt, len(h.sum))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

func derive(password string, p Params, salt []byte, n int) []byte {
	return argon2.IDKey([]byte(password), salt, p.Time, p.Memory, p.Lanes, uint32(n))
}

func cores() int { return runtime.GOMAXPROCS(0) }
