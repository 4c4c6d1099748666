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
	// Sessions is about how many sessions are refreshed or revoked between
	// their login and their end, all at the same time: their states are packed
	// for that many. It is taken where Redis has no epoch yet. Zero:
	// DefaultSessions.
	Sessions uint64
	// AdoptLost is that of Config, for Sessions.
	AdoptLost bool
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
	buckets uint32 // that we would make
	adopt   bool

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
		journal:   cfg.Journal,
		now:       cfg.Now,
		logger:    cfg.Logger,
		timeout:   cmp.Or(cfg.Timeout, DefaultTimeout),
		buckets:   bucketsFor(cmp.Or(cfg.Sessions, DefaultSessions)),
		adopt:     cfg.AdoptLost,
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
	l.tombs = newTombs(cfg.Client, l.Buckets)
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

func (l *Log) usable(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return authsvc.ErrStoreClosed
	}
	return ctx.Err()
}

// signal wakes a goroutine up; one wake-up stands for many.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
