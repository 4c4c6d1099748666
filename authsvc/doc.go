// Package authsvc is the auth service: the one party that signs.
//
// A Service answers two listeners from openapi.yaml. Each endpoint family has
// its file; every handler makes its whole answer before the first byte of it
// is sent, or returns an error, and problem.go alone turns errors into HTTP
// (what the package's own Guard refuses excepted, which is answered as every
// microservice answers it).
//
// Three things make it up. The ring signs and seals. The hub follows the Log,
// keeps its revocations in memory and serves the feed, so that the service
// judges its own tokens the way every verifier does. The stores, behind Log
// and Sessions, remember two facts that only grow: what was revoked, and how
// far each session's refresh tokens have come.
//
// No sealing key seals without end: each seal is counted, in blocks that are
// reserved in the ring (seals.go). A key that has sealed much is rotated by the
// service itself; one that may seal no more is answered with 503.
//
// A login touches no store. A logout is on disk before it is acknowledged. A
// fault of a store is 503, or a renewed access token without a new refresh
// token; it is never a 401 and never clears a cookie.
package authsvc
