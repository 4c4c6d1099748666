package middleware

import (
	"sync"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// registry finds the requests being served that a revocation entry may match.
// Each stands under every target that could name it, in lists that take and give
// back a request in constant time; no goroutine belongs to a request.
//
// A request registers first and looks at the list afterwards. An entry is in
// the list first and looked up here afterwards. So whatever the order, one of
// the two sees the other.
type registry struct {
	list *revocation.List

	mu    sync.Mutex
	heads map[revocation.Target]*link
	count int
}

// link is a visit's place in the list of one target.
type link struct {
	under      revocation.Target
	visit      *visit
	prev, next *link
}

func newRegistry(list *revocation.List) *registry {
	return &registry{list: list, heads: map[revocation.Target]*link{}}
}

// revoked asks the list about who is live.
func (g *registry) revoked(c *tokens.Claims) error {
	if e, ok := g.list.Match(c); ok {
		return ended(e)
	}
	return nil
}

// add registers a visit under every target of its session.
func (g *registry) add(v *visit) {
	under := revocation.Targets(v.session.Load().claims)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	g.link(v, under)
}

// remove forgets a visit that add registered.
func (g *registry) remove(v *visit) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	g.unlink(v)
}

// move gives a visit another session, and the targets of that.
func (g *registry) move(v *visit, s *Session) {
	under := revocation.Targets(s.claims)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unlink(v)
	v.session.Store(s)
	g.link(v, under)
}

func (g *registry) link(v *visit, under []revocation.Target) {
	v.links = make([]link, len(under))
	for i := range v.links {
		l := &v.links[i]
		l.visit, l.under, l.next = v, under[i], g.heads[under[i]]
		if l.next != nil {
			l.next.prev = l
		}
		g.heads[under[i]] = l
	}
}

func (g *registry) unlink(v *visit) {
	for i := range v.links {
		l := &v.links[i]
		if l.next != nil {
			l.next.prev = l.prev
		}
		switch {
		case l.prev != nil:
			l.prev.next = l.next
		case l.next != nil:
			g.heads[l.under] = l.next
		default:
			delete(g.heads, l.under)
		}
	}
}

// apply ends the visits that the entries match. The list, which holds the
// entries already, decides; the registry only finds whom to ask about.
func (g *registry) apply(entries []revocation.Entry) {
	for _, v := range g.under(entries) {
		v.endIf(func(s *Session) error { return g.revoked(s.claims) })
	}
}

// under returns the visits that stand under the entries' targets.
func (g *registry) under(entries []revocation.Entry) []*visit {
	var found []*visit
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range entries {
		for l := g.heads[e.Target()]; l != nil; l = l.next {
			found = append(found, l.visit)
		}
	}
	return found
}

// len returns the number of visits.
func (g *registry) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}
