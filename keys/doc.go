// Package keys is the ring of keys that Sealring signs and seals with, and
// the plan by which it changes without one valid token being refused.
//
// Everything here is pure: no I/O, no goroutine, no clock. A [Ring] is an
// immutable value, the time is an argument, and an operation gives back a new
// ring. Keeping a ring on disk is the work of package ringfile.
//
// # A key's life
//
// Each [Key] has one [Purpose] and one [Alg] and passes through
//
//	created → standby → signing → verify-only → retired        (or revoked, at any time)
//
// Where it stands follows from the clock and from times written into the
// ring, so that replicas need not talk to each other. Each purpose always has
// a standby: a key that everybody already holds before it signs. A planned
// rotation promotes it, and so does the loss of the signing key.
//
// # The times
//
// They follow from a [Plan]. W is the moment at which a ring was written, Λ
// the lease (no replica signs or serves keys from a copy of the ring that is
// older), A the age at which a verifier's copy of the key set is replaced, ε
// the largest difference between two clocks, λ the leeway that a verifier
// gives to exp, L the life of what the key signs.
//
//	K1  sign_from ≥ W(published) + Lead,                       Lead = Λ + A + ε
//	K2  verify_until(old) ≥ sign_until(old) + Tail,            Tail = L + λ + 2ε
//	    sign_until(old)   ≥ max(sign_from(new), W(scheduled) + Λ)
//
// From K1 and K2 follows: a token that any replica signs at any time verifies
// until its end at every verifier whose copy is at most A old. Both are
// tight: one tick less, and the tests of this package find a token that is
// refused. K1 and K2 hold for every ring that can be made or parsed here,
// since [Ring.Validate] ends each operation.
//
// K1 is waived in three cases, and the key then says from when it may sign
// (ReadyAt): a key of the ring's first generation, which no copy can lack; a
// standby that takes over from a revoked key, because waiting would be worse;
// and a key which every verifier has confirmed ([Ring.Confirm]).
//
// # Use of sealing keys
//
// Under one AES-GCM key no more than 2^32 values may be sealed with random
// nonces (NIST SP 800-38D §8.3). The count of a key is in the ring, beside the
// key: whoever is to seal reserves a block first ([Ring.Reserve]), has the ring
// written, and seals no more than that. So the count is never less than what
// was sealed, whatever number of replicas there is and whoever is killed: what
// a process did not use of its block stays counted. A count of each replica's
// own would need a bound on how many there ever are, and would begin at zero
// with each folder that is lost; this one is lost only with the key. It costs a
// change of the ring now and then, which verifiers see as a new generation.
//
// A rotation is due at [SealLimit], and at [MaxSeals], half of what the cipher
// bears, nothing more is reserved. The other half is for what no counting in a
// store can rule out: that the store, and all who have read it, lose a
// generation that was written, and a block with it. A ring that is restored
// from a backup has the count of then: rotate its sealing keys.
//
// Refresh tokens are sealed with a content key of their own each (A256KW), so
// that no nonce can come twice; their keys are held to the same count.
//
// # Tables of names
//
// A sealing key may have a table of [Names], which what it seals has codes of. The
// table belongs to the key as its secret does, goes wherever the key goes, and is
// as old: another table comes with another key, by a rotation. So there is no
// version that two could disagree about.
//
// # Clocks
//
// All this counts on clocks that differ by ε at most, and there is nothing here
// to hold a clock against but the ring's last change. A change by a clock that
// is behind that is refused; whether one is ahead beyond reason says
// [Ring.CheckClock], and [Ring.Retimed] mends a ring that such a clock has
// changed. Whatever clocks do, the key that signs is published.
//
// # Names of keys
//
// A key's ID, its kid, is its RFC 7638 thumbprint, which can neither be
// chosen nor used twice. For a sealing key this is the SHA-256 of a JSON
// object that holds 256 random bits and nothing else secret: who knows the
// thumbprint must still guess all 256 bits to find the key, and no key is ever
// derived from the thumbprint, so it may be published (RFC 7638 §7 warns of
// keys with little entropy; [NewSealingKey] is for random ones only).
//
// # Formats
//
// A [Set] is read from and written as a JWK Set (RFC 7517 §5), a ring as a
// JSON object of our own that holds the private halves in PKCS #8 (RFC 5208)
// and is never written anywhere unsealed. Both are parsed strictly: no
// duplicate names and no escapes in names, exact types, base64url without
// spare bits, at most 8 deep, 256 members and 2048 values. Reading needs memory
// for at most four times the document and 64 KiB.
package keys
