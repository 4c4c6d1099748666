// Package datacookie keeps data of a session that is the application's own
// business in cookies that only the application can read: a half-filled cart, a
// filter, the last page. It stands behind a middleware.Guard, and what it keeps
// belongs to the guard's session: under another one it is not there.
//
//	cart, err := datacookie.New[Cart](datacookie.Config{Name: "cart", Ring: ring.Ring})
//	err = cart.Update(w, r, func(c *Cart) error { c.Add(item); return nil })
//
// A browser's jar keeps, of each cookie, what came last, and nobody sees what it
// dropped. So data that is written independently goes into groups of its own: two
// requests that change two groups at the same time both win, in whatever order
// their answers arrive. Of two that change one group the later answer wins. What
// must not be lost that way does not belong in a cookie: PATCH /v1/session has
// versions.
//
// A cookie is sealed with the application's own ring, one of `sealring keys init`,
// which the auth service never sees. A stolen browser can bring an older cookie of
// its session back for as long as MaxAge; nothing but the browser remembers.
package datacookie
