// Package revocation is the short list of what to stop trusting: its entries,
// how two copies of it merge, the frames it travels in, and the index that a
// verifier asks for every request.
//
// An [Entry] says that the tokens it names are dead, and until when that must
// be remembered. Entries form a lattice: two entries of one [Target] merge to
// the larger of each time. So copies may arrive in any order, any number of
// times and over any route, and all end up equal. Nothing is ever un-revoked:
// the way back is a new login, whose auth_time is later, and from stale claims
// a refresh, whose iat is.
//
// An entry may go when no token it could match is accepted by anybody any
// more. The auth service keeps it until Exp, because refresh tokens live
// long; verifiers only judge access tokens and drop it at the earlier
// [Entry.FeedExpiry].
//
// A [Frame] carries entries from the issuer to its verifiers. Each names the
// [Position] it follows and the one it leads to, so that a frame is applied
// or a gap is noticed, never skipped. The signature around a frame belongs to
// package tokens.
//
// A [List] is asked by any number of goroutines without a lock and without
// allocating. The package is pure: no I/O, no goroutine, time is an argument.
package revocation
