package authsvc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// Sizes of the blocks of seals that a process takes from a key's count. The
// first is taken at the start, and is small, so that a process that is restarted
// again and again does not use a key up. Each next one is twice as large: a
// busy service changes the ring seldom, what a killed process wastes is no more
// than a few times what it has sealed, and one that can not reach its ring goes
// on for at least a third of the time that it has run.
const (
	firstBlock   = 1 << 16
	largestBlock = 1 << 26
	spareBlock   = 1 << 18 // set aside for when the ring's store is away: see Spare
)

// sealsAgain is how long nothing is reserved after a reservation that failed.
const sealsAgain = time.Second

// ChangeRing replaces the ring by what plan makes of it, durably, and returns
// the new one: ringfile.File.Update, once more where somebody else has changed
// the ring meanwhile. An error of plan is returned as it is.
type ChangeRing func(ctx context.Context, plan func(*keys.Ring) (*keys.Ring, error)) (*keys.Ring, error)

// Spare keeps, in the replica's own folder, what it has set aside: seals that
// are in the count of their key and that nobody else may use. A service that is
// started while the ring's store is away seals with these. One service uses it
// at a time.
type Spare interface {
	// Load returns how many are set aside of each key, by kid; nil if none.
	Load() (map[string]uint64, error)
	// Store replaces that, durably: once it has returned nil, no Load returns
	// what was there before, whoever is killed.
	Store(map[string]uint64) error
}

// seals lets no sealing key seal more than keys.MaxSeals values, whatever
// number of replicas use it: see package keys. Each process takes blocks from
// the key's count in the ring. Within its block a seal costs one atomic
// decrement; the next block is taken when half of it is used, by a goroutine of
// its own, so that no request waits for it.
type seals struct {
	change ChangeRing // nil: the process has the one copy of the ring, and is the only one to count
	ring   func() *keys.Ring
	now    func() time.Time
	log    *slog.Logger
	due    uint64 // where a rotation is due: keys.SealLimit, in tests less
	most   uint64 // where a key is used up: keys.MaxSeals, in tests less
	first  uint64 // sizes of blocks: firstBlock and largestBlock, in tests less
	large  uint64
	spare  Spare  // nil: nothing is set aside
	extra  uint64 // what is set aside of each key: spareBlock, in tests less

	blocks sync.Map      // kid → *block
	low    chan struct{} // a block is half used, or there is another ring
	turn   chan struct{} // held to reserve

	// These belong to whoever has the turn.
	sizes map[keys.Purpose]uint64 // of the last reservation
	aside map[string]uint64       // what spare holds, by kid
}

// block is what is left to this process of what it has reserved of a key.
type block struct {
	kid     string
	purpose keys.Purpose
	left    atomic.Int64
	half    atomic.Int64 // more is asked for from here on

	// These belong to whoever has the turn.
	whole  bool // nil ChangeRing: everything was handed out
	failed time.Time
	fault  error
}

func (b *block) any() bool { return b.left.Load() > 0 }

func (b *block) plenty() bool { return b.left.Load() > b.half.Load() }

func newSeals(cfg Config, ring func() *keys.Ring, now func() time.Time) *seals {
	s := &seals{
		change: cfg.ChangeRing, ring: ring, now: now, log: cfg.Logger, spare: cfg.Spare,
		due: keys.SealLimit, most: keys.MaxSeals, first: firstBlock, large: largestBlock, extra: spareBlock,
		turn: make(chan struct{}, 1), low: make(chan struct{}, 1), sizes: map[keys.Purpose]uint64{}, aside: map[string]uint64{},
	}
	if s.spare == nil {
		return s
	}
	aside, err := s.spare.Load()
	if err != nil {
		s.log.Warn("reading what was set aside of seals; it is not used", "err", err)
	}
	maps.Copy(s.aside, aside)
	return s
}

// take counts one value to be sealed with the key. An error says that it must
// not be.
func (s *seals) take(k keys.Key) error { return s.takeOf(s.block(k)) }

func (s *seals) block(k keys.Key) *block {
	b, ok := s.blocks.Load(k.ID)
	if !ok {
		b, _ = s.blocks.LoadOrStore(k.ID, &block{kid: k.ID, purpose: k.Purpose})
	}
	return b.(*block)
}

// wake has blocks filled that want it.
func (s *seals) wake() {
	select {
	case s.low <- struct{}{}:
	default:
	}
}

func (s *seals) takeOf(b *block) error {
	for {
		left := b.left.Load()
		if left <= 0 {
			if err := s.fill(context.Background(), b); err != nil {
				return err
			}
			continue
		}
		if !b.left.CompareAndSwap(left, left-1) {
			continue
		}
		if !b.plenty() {
			s.wake()
		}
		return nil
	}
}

// fill waits until an empty block has something again. Of many who wait one
// reserves, and the others take what it brings, or its fault.
func (s *seals) fill(ctx context.Context, b *block) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if b.any() {
		return nil
	}
	err := b.fault
	if s.mayAsk(b) {
		err = s.reserve(ctx, []*block{b})
	}
	if err != nil && s.unspare(b, err) {
		return nil
	}
	return err
}

// mayAsk reports whether nothing has failed just now. The caller has the turn.
func (s *seals) mayAsk(b *block) bool { return b.fault == nil || s.now().Sub(b.failed) >= sealsAgain }

func (s *seals) enter(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a reservation of seals: %w", ctx.Err())
	}
}

func (s *seals) leave() { <-s.turn }

// run fills blocks in good time, until ctx ends.
func (s *seals) run(ctx context.Context) {
	s.wake()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.low:
		}
		if s.refill(ctx) {
			continue
		}
		if !pause(ctx, sealsAgain) {
			return
		}
		s.wake()
	}
}

// refill fills, with one change of the ring, the blocks that are half used: of
// the keys that seal now or are scheduled to. A successor has its block before
// its time comes, when the ring's store may be away. It reports whether nothing
// is left to try again.
func (s *seals) refill(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if s.change == nil {
		return true // each block holds everything from its first seal on
	}
	if s.enter(ctx) != nil {
		return false
	}
	defer s.leave()
	var short []*block
	for _, k := range s.ring().Keys() {
		if !s.wanted(k) {
			continue
		}
		if b := s.block(k); !b.plenty() && s.mayAsk(b) {
			short = append(short, b)
		}
	}
	if len(short) == 0 {
		return true
	}
	err := s.reserve(ctx, short)
	return err == nil || errors.Is(err, keys.ErrSealsSpent)
}

// wanted reports whether the key seals now, or will.
func (s *seals) wanted(k keys.Key) bool {
	if k.Purpose != keys.SessionCookie && k.Purpose != keys.RefreshToken || k.SignFrom.IsZero() || !k.RevokedAt.IsZero() {
		return false
	}
	now := s.now()
	current, err := s.ring().Current(k.Purpose, now)
	return err == nil && (k.ID == current.ID || k.SignFrom.After(now))
}

// reserve adds to blocks. The caller has the turn.
func (s *seals) reserve(ctx context.Context, blocks []*block) error {
	asks := make([]*ask, len(blocks))
	for i, b := range blocks {
		asks[i] = &ask{block: b, want: max(s.first, min(2*s.sizes[b.purpose], s.large))}
		if s.spare != nil && s.aside[b.kid] == 0 {
			asks[i].aside = s.extra
		}
	}
	stored := s.book(ctx, asks)
	var all error
	for _, a := range asks {
		if stored != nil {
			a.granted, a.err = 0, stored
		}
		s.settle(a)
		all = errors.Join(all, a.err)
	}
	s.setAside(asks)
	return all
}

// settle takes what was granted into the block.
func (s *seals) settle(a *ask) {
	b, log := a.block, s.log.With("kid", a.block.kid, "purpose", a.block.purpose)
	if a.err != nil {
		if b.fault == nil && !errors.Is(a.err, context.Canceled) {
			log.Warn("reserving seals of a key; trying again", "left", b.left.Load(), "err", a.err)
		}
		b.fault, b.failed = a.err, s.now()
		return
	}
	if s.nearlySpent(a.count) {
		log.Warn("a key has sealed nearly as much as it may: rotate it", "seals", a.count, "most", s.most)
	}
	if a.rotated {
		log.Info("a key has sealed so much that its standby was promoted", "seals", a.count)
	}
	if a.granted < a.want+a.aside {
		a.aside = 0 // the key comes to its end
	}
	a.granted -= a.aside
	b.fault, s.sizes[b.purpose] = nil, a.granted
	b.half.Store(int64(a.granted / 2))
	b.left.Add(int64(a.granted))
}

// setAside has what was granted for it kept, and forgets keys that are gone.
func (s *seals) setAside(asks []*ask) {
	next := maps.Clone(s.aside)
	for _, a := range asks {
		if a.err == nil && a.aside > 0 {
			next[a.block.kid] = a.aside
		}
	}
	if maps.Equal(next, s.aside) {
		return
	}
	live := s.ring()
	maps.DeleteFunc(next, func(kid string, _ uint64) bool {
		_, ok := live.State(kid, s.now())
		return !ok && !slices.ContainsFunc(asks, func(a *ask) bool { return a.block.kid == kid })
	})
	if err := s.spare.Store(next); err != nil {
		s.log.Warn("setting seals aside; they are wasted", "err", err)
		return
	}
	s.aside = next
}

// unspare puts what was set aside into an empty block. It does not help against
// a key that is dead. The caller has the turn.
func (s *seals) unspare(b *block, why error) bool {
	n := s.aside[b.kid]
	if n == 0 || errors.Is(why, keys.ErrRevokedKey) || errors.Is(why, keys.ErrUnknownKey) {
		return false
	}
	rest := maps.Clone(s.aside)
	delete(rest, b.kid)
	if err := s.spare.Store(rest); err != nil {
		s.log.Warn("taking seals that were set aside", "err", err)
		return false
	}
	s.aside = rest
	s.log.Warn("sealing with what was set aside, since the ring's store is away", "kid", b.kid, "purpose", b.purpose, "seals", n)
	b.left.Add(int64(n))
	return true
}

// nearlySpent reports whether less than a quarter of what a key may seal is
// left: its rotation, due at the half of it, must have been held up.
func (s *seals) nearlySpent(count uint64) bool { return count >= s.most-s.most/4 }

// ask is one block's part of a change of the ring, and what came of it.
type ask struct {
	block *block
	want  uint64
	aside uint64 // on top of it

	granted uint64
	count   uint64 // of the key, all replicas together
	rotated bool
	err     error
}

// book has what is asked for written into the ring. Its error is that of the
// ring's store, and nothing is granted then.
func (s *seals) book(ctx context.Context, asks []*ask) error {
	if s.change == nil {
		for _, a := range asks {
			a.alone(s.most)
		}
		return nil
	}
	_, err := s.change(ctx, func(r *keys.Ring) (*keys.Ring, error) { // may be called more than once
		for _, a := range asks {
			r = s.grant(r, a)
		}
		return r, nil
	})
	return err
}

// alone grants the only process everything, once.
func (a *ask) alone(most uint64) {
	a.granted, a.count, a.aside, a.err = most, 0, 0, nil
	if a.block.whole {
		a.granted, a.err = 0, keys.ErrSealsSpent
	}
	a.block.whole = true
}

// grant reserves in the ring, and rotates the key where it has sealed enough:
// also where it may seal no more, for then its successor is missing.
func (s *seals) grant(r *keys.Ring, a *ask) *keys.Ring {
	next, n, err := r.Reserve(a.block.kid, a.want+a.aside, s.most)
	if err != nil {
		next = r
	}
	a.granted, a.err, a.count = n, err, next.Seals(a.block.kid)
	next, a.rotated = s.rotated(next, a.block.purpose)
	return next
}

// rotated promotes the standby where the key has sealed enough. One that is
// young is scheduled for when all hold it; meanwhile the old one goes on.
func (s *seals) rotated(r *keys.Ring, p keys.Purpose) (*keys.Ring, bool) {
	now := s.now()
	k, err := r.Current(p, now)
	if err != nil || k.Seals < s.due || !k.SignUntil.IsZero() {
		return r, false
	}
	next, err := r.Rotate(p, keys.Plan{}, now)
	if err != nil {
		s.log.Error("rotating a key that has sealed much", "kid", k.ID, "purpose", p, "err", err)
		return r, false
	}
	return next, true
}

// sealer returns the key to seal a part of a grant with now, once. Whatever is
// wrong is answered with 503.
func (s *Service) sealer(g *grant, p keys.Purpose, now time.Time) (keys.Key, error) {
	if k, ok := g.paid[p]; ok {
		delete(g.paid, p)
		return k, nil
	}
	k, err := s.hub.signer(p, now)
	if err != nil {
		return keys.Key{}, err
	}
	if err := s.seals.take(k); err != nil {
		return keys.Key{}, unavailable(err)
	}
	return k, nil
}

// prepay makes sure that what was sealed of a grant can be sealed once more.
func (s *Service) prepay(g *grant, now time.Time) error {
	uses := []keys.Purpose{keys.RefreshToken}
	if g.cookie {
		uses = append(uses, keys.SessionCookie)
	}
	paid := map[keys.Purpose]keys.Key{}
	for _, p := range uses {
		k, err := s.sealer(g, p, now)
		if err != nil {
			return err
		}
		paid[p] = k
	}
	g.paid = paid
	return nil
}
