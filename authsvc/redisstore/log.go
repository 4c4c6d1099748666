package redisstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// DefaultNamespace is that of LogConfig.
const DefaultNamespace = "sealring"

// LogConfig says what a Log is made of.
type LogConfig struct {
	// Client reaches Redis, as in Config. Required.
	Client redis.UniversalClient
	// Journal is this replica's own store, on its own disk: what is
	// acknowledged is on it first, whatever becomes of Redis. It is not closed
	// here. Required.
	Journal authsvc.Log
	// Namespace keeps deployments apart that share a Redis. Zero:
	// DefaultNamespace.
	Namespace string
	// Timeout bounds how long an Append waits for Redis. Zero: DefaultTimeout. After a
	// tenth of it the entries are in force here, whatever Redis does.
	Timeout time.Duration
	// Now is the clock that expiry goes by. Zero: time.Now.
	Now func() time.Time
	// Logger takes changes of state. Zero: nothing is logged.
	Logger *slog.Logger
}

// Log is the log of revocations that replicas share: a stream in Redis, as the
// meeting point, and each replica's own journal, as the memory. It implements
// [authsvc.Log]. The package comment tells how.
type Log struct {
	stream  *stream
	tombs   *tombs
	journal authsvc.Log
	now     func() time.Time
	logger  *slog.Logger
	timeout time.Duration

	kick     chan struct{} // there is something to send or to read
	turned   chan struct{} // a turn has been made
	joined   chan struct{} // closed when the log in Redis was read for the first time
	owing    chan struct{} // there is something for the journal
	untombed chan struct{} // Redis has lost tombstones
	ctx      context.Context
	stop     context.CancelFunc
	tasks    sync.WaitGroup

	order     sync.Mutex // held while the position moves and the followers are told
	followers map[int]func(authsvc.Batch)
	nextID    int

	mu    sync.Mutex // of the rest; taken under order, never the other way
	known *known
	queue *queue
	era   era
	place place
	since time.Time // no revocation made since then is unknown here; zero before the first join
	asOf  time.Time
	skew  time.Duration
	page  int           // appends that the next turn reads
	away  chan struct{} // closed while Redis does not answer
	owed  []revocation.Entry
}

var _ authsvc.Log = (*Log)(nil)

// OpenLog makes a Log of what the journal holds and joins the one in Redis. It
// waits for Redis for a second at most: a Redis that is away is no error, the
// Log then begins with what the journal holds. ctx bounds the opening alone.
// Call Close.
func OpenLog(ctx context.Context, cfg LogConfig) (*Log, error) {
	if cfg.Client == nil || cfg.Journal == nil {
		return nil, fmt.Errorf("%w: Client and Journal are required", ErrConfig)
	}
	if err := checkClient(cfg.Client); err != nil {
		return nil, err
	}
	l := newLog(cfg)
	if err := l.load(ctx); err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	l.tasks.Go(l.run)
	l.tasks.Go(l.listen)
	l.tasks.Go(l.keepJournal)
	l.tasks.Go(l.tend)
	l.tasks.Go(l.keepTombs)
	if cluster, ok := cfg.Client.(*redis.ClusterClient); ok {
		l.tasks.Go(func() { l.watchShards(cluster) })
	}
	select {
	case <-l.joined:
	case <-time.After(max(time.Second, l.timeout)):
		l.logger.Warn("the Redis of the revocations is not reached yet; beginning with what the journal holds")
	case <-ctx.Done():
	}
	return l, nil
}

func newLog(cfg LogConfig) *Log {
	l := &Log{
		stream:    newStream(cfg.Client, cmp.Or(cfg.Namespace, DefaultNamespace)),
		tombs:     newTombs(cfg.Client),
		journal:   cfg.Journal,
		now:       cfg.Now,
		logger:    cfg.Logger,
		timeout:   cmp.Or(cfg.Timeout, DefaultTimeout),
		kick:      make(chan struct{}, 1),
		turned:    make(chan struct{}, 1),
		joined:    make(chan struct{}),
		owing:     make(chan struct{}, 1),
		untombed:  make(chan struct{}, 1),
		followers: map[int]func(authsvc.Batch){},
		known:     newKnown(),
		queue:     newQueue(),
		page:      pageLimit,
		away:      make(chan struct{}),
		// An epoch of our own, until that of Redis is known.
		era: era{id: binary.BigEndian.Uint64([]byte(nonce()))},
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// load takes over what the journal holds.
func (l *Log) load(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loaded := false
	err := l.journal.Follow(ctx, func(b authsvc.Batch) {
		if loaded {
			return
		}
		for _, e := range b.Frame.Entries {
			l.known.offer(e, l.now())
		}
		loaded = true
		cancel()
	})
	if loaded {
		return nil
	}
	return err
}

// Close ends every Follow and stops. What has not reached Redis yet is in the
// journal, and is sent when the Log is opened again.
func (l *Log) Close() error {
	l.stop()
	l.tasks.Wait()
	return nil
}

// Append implements authsvc.Log: nil once the entries are in the journal and
// were read back from Redis, authsvc.ErrNotShared if Redis does not answer.
func (l *Log) Append(ctx context.Context, entries ...revocation.Entry) error {
	if err := check(entries); err != nil {
		return err
	}
	if err := l.usable(ctx); err != nil {
		return err
	}
	merged, w, away := l.offer(entries)
	if len(merged) == 0 {
		return nil
	}
	entombed := l.entomb(merged)
	defer func() { <-entombed }()
	if err := l.journal.Append(ctx, merged...); err != nil {
		return fmt.Errorf("appending to the journal: %w", err)
	}
	return l.shared(ctx, merged, w, away)
}

func check(entries []revocation.Entry) error {
	if len(entries) > authsvc.MaxAppend {
		return fmt.Errorf("appending %d entries, more than %d: %w", len(entries), authsvc.MaxAppend, revocation.ErrInvalid)
	}
	for _, e := range entries {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("appending: %w", err)
		}
	}
	return nil
}

func (l *Log) usable(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return authsvc.ErrStoreClosed
	}
	return ctx.Err()
}

// offer makes the entries known and puts what they add in the queue. It
// returns all of them as they are known now, what to wait for, nil if nothing,
// and the sign that waiting is of no use.
func (l *Log) offer(entries []revocation.Entry) (merged []revocation.Entry, w *wait, away chan struct{}) {
	now := l.now()
	w = newWait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		if e.Expired(now) {
			continue
		}
		m, fresh := l.known.offer(e, now)
		merged = append(merged, m)
		if fresh || l.era.text == "" { // what the journal held may not be in a log that was never read
			l.queue.say(m, w, now)
		} else {
			l.queue.follow(m.Target(), w)
		}
	}
	if w.left == 0 {
		return merged, nil, nil
	}
	signal(l.kick)
	return merged, w, l.away
}

// shared waits until the entries were read back. Where that takes long they
// are put in force here all the same.
func (l *Log) shared(ctx context.Context, entries []revocation.Entry, w *wait, away chan struct{}) error {
	if w == nil {
		l.told()
		return nil
	}
	soon, late := time.NewTimer(l.timeout/10), time.NewTimer(l.timeout)
	defer soon.Stop()
	defer late.Stop()
	told := false
	for {
		select {
		case <-w.done:
			return nil
		case <-soon.C:
			l.tellHere(entries)
			told = true
			continue
		case <-away:
		case <-late.C:
		case <-ctx.Done():
		case <-l.ctx.Done():
			return authsvc.ErrStoreClosed
		}
		if !told {
			l.tellHere(entries)
		}
		select {
		case <-w.done:
			return nil
		default:
			return authsvc.ErrNotShared // the journal has them: not even the end of ctx makes it less
		}
	}
}

// tellHere tells the followers of entries that have no place in the log yet.
func (l *Log) tellHere(entries []revocation.Entry) {
	l.order.Lock()
	defer l.order.Unlock()
	p, asOf := l.position(), l.AsOf()
	l.tell(delta(p, p.Cursor, asOf, entries))
}

// told waits until the followers have heard of all that was read back.
func (l *Log) told() {
	l.order.Lock()
	defer l.order.Unlock()
}

func (l *Log) position() revocation.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return revocation.Position{Epoch: l.era.id, Cursor: l.place.cursor}
}

// tell hands a batch to the followers. The order is held.
func (l *Log) tell(b authsvc.Batch) {
	for _, deliver := range l.followers {
		deliver(b)
	}
}

// Follow implements authsvc.Log. Beside the deltas it delivers what has no
// place in the log yet, with a Prev that is its Pos, and a rebase when Redis
// has lost something: the position goes on in a new epoch.
func (l *Log) Follow(ctx context.Context, deliver func(authsvc.Batch)) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	id := l.join(deliver)
	defer l.leave(id)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ctx.Done():
		return authsvc.ErrStoreClosed
	}
}

func (l *Log) join(deliver func(authsvc.Batch)) int {
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	first := authsvc.Batch{Frame: revocation.Frame{
		Kind: revocation.Snapshot,
		Pos:  revocation.Position{Epoch: l.era.id, Cursor: l.place.cursor},
		AsOf: l.asOf, Entries: l.known.all(l.now()),
	}}
	l.mu.Unlock()
	deliver(first)
	l.nextID++
	l.followers[l.nextID] = deliver
	return l.nextID
}

func (l *Log) leave(id int) {
	l.order.Lock()
	defer l.order.Unlock()
	delete(l.followers, id)
}

// Since implements authsvc.Log, from memory.
func (l *Log) Since(ctx context.Context, p revocation.Position) (authsvc.Batch, error) {
	if err := l.usable(ctx); err != nil {
		return authsvc.Batch{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Epoch != l.era.id || p.Cursor.Compare(l.place.cursor) > 0 {
		return authsvc.Batch{}, fmt.Errorf("reading on from %v: %w", p, authsvc.ErrUnknownPosition)
	}
	now := l.now()
	entries := l.known.after(p.Cursor, now)
	for _, it := range l.queue.items {
		if !it.entry.Expired(now) && l.known.entries[it.entry.Target()].at.Compare(p.Cursor) <= 0 {
			entries = append(entries, it.entry)
		}
	}
	return delta(p, l.place.cursor, l.asOf, entries), nil
}

// AsOf implements authsvc.Log: when the last reading began that came to the
// end of the log in Redis.
func (l *Log) AsOf() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asOf
}

// Complete returns since when this replica knows every revocation there was:
// the birth of the log that it joined first, whatever Redis has forgotten
// later. A token that is older may have been revoked by somebody whom nobody
// remembers. Zero, and false, before Redis was reached.
func (l *Log) Complete() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, !l.since.IsZero()
}

// Skew returns how far the clock here was ahead of that of Redis at the last
// turn, give or take half of its round trip.
func (l *Log) Skew() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.skew
}

// Away reports whether Redis does not answer, or has not been read yet.
func (l *Log) Away() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.away:
		return true
	default:
		return l.since.IsZero()
	}
}

// Sessions returns the refresh states in the same Redis. What the log knows of
// Redis they need not find out: that it is away, and since when no revocation
// is unknown here, whatever Redis has forgotten.
func (l *Log) Sessions() (*Sessions, error) {
	complete := func(tokens.ID) time.Time {
		since, _ := l.Complete() // known, or it is away
		return since
	}
	return NewSessions(Config{Client: l.stream.client, Born: complete, Away: l.Away})
}

// signal wakes a goroutine up; one wake-up stands for many.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
