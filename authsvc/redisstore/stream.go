package redisstore

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	horizon    = 24 * time.Hour // how long the log in Redis keeps an append
	maxStream  = 5_000_000      // and how many of them
	blobLimit  = 500            // entries in one append
	turnBlobs  = 16             // appends in one turn
	pageLimit  = 200            // appends that one turn or one page of a heal reads
	pageLeast  = 10             // and what is tried where that takes too long
	quietFor   = time.Minute    // without an append, before somebody makes an empty one
	beatLock   = 30 * time.Second
	entryBytes = 29 // type, id 16, T 4, Made 4, Exp 4
)

var (
	//go:embed sync.lua
	syncScript string
	//go:embed epoch.lua
	epochScript string
	//go:embed beat.lua
	beatScript string
)

// errDamagedLog: something in the log was not written by this package.
var errDamagedLog = errors.New("the log in Redis is damaged")

// stream is the log in Redis: one stream, and the epoch beside it.
type stream struct {
	client            redis.UniversalClient
	origin            string // this replica, 8 random bytes
	epochKey, logKey  string
	beatKey           string
	sync, epoch, beat *redis.Script
}

func newStream(client redis.UniversalClient, namespace string) *stream {
	prefix := "sr:{" + namespace + "}:" // the braces keep the three in one slot
	return &stream{
		client: client, origin: nonce(),
		epochKey: prefix + "re", logKey: prefix + "rl", beatKey: prefix + "hb",
		sync: redis.NewScript(syncScript), epoch: redis.NewScript(epochScript), beat: redis.NewScript(beatScript),
	}
}

// place is a cursor in the log with the nonce of the append that stands there:
// after a failover another append may stand at the same cursor.
type place struct {
	cursor revocation.Cursor
	nonce  string
}

// era is the epoch as Redis keeps it: "<16 hex digits>:<born, Unix ms>:<buckets>".
// The number of buckets is in it because all replicas must go by the same one,
// and whatever happens to it happens to the epoch, which is looked at in each
// turn.
type era struct {
	text    string // "" where there is none
	id      uint64 // 0 where there is none, or none that can be read
	born    time.Time
	buckets uint32 // 0 where none can be read
}

// parseEra reads an epoch. One that can not be read has the id 0, as one that
// is not there, and is replaced like it.
func parseEra(text string) era {
	id, rest, _ := strings.Cut(text, ":")
	born, buckets, _ := strings.Cut(rest, ":")
	n, err1 := strconv.ParseUint(id, 16, 64)
	ms, err2 := strconv.ParseInt(born, 10, 64)
	if len(id) != 16 || err1 != nil || err2 != nil {
		return era{text: text}
	}
	b, err := strconv.ParseUint(buckets, 10, 32)
	if err != nil {
		b = 0
	}
	return era{text: text, id: n, born: time.UnixMilli(ms), buckets: uint32(b)}
}

// appended is one append as it was read.
type appended struct {
	place
	entries []revocation.Entry
	damage  error // something in it could not be read, and is passed over
}

// answer is what a turn comes to.
type answer struct {
	era    era
	now    time.Time // in Redis
	stands bool      // the cursor is still in this log; else nothing was appended
	read   []appended
}

// turn appends blobs and reads what comes after a place, at most so many
// appends, in one atomic step.
func (s *stream) turn(ctx context.Context, at era, from place, most int, blobs [][]byte) (a answer, err error) {
	args := []any{at.text, from.cursor.String(), from.nonce, s.origin, most, horizon.Milliseconds()}
	for _, b := range blobs {
		args = append(args, nonce(), b)
	}
	reply, err := s.sync.Run(ctx, s.client, []string{s.epochKey, s.logKey}, args...).Slice()
	if err != nil {
		return a, err
	}
	if len(reply) != 4 {
		return a, errDamagedLog
	}
	text, _ := reply[0].(string)
	a.era = parseEra(text)
	ms, _ := reply[1].(int64)
	a.now, a.stands = time.UnixMilli(ms), reply[2] == int64(1)
	list, _ := reply[3].([]any)
	a.read, err = parseAll(list)
	return a, err
}

// replace makes a new epoch in the place of old, unless somebody else has. A
// log that was rolled back goes on remembering since when it did; one that is
// gone begins anew.
func (s *stream) replace(ctx context.Context, old era, buckets uint32) (era, error) {
	born := ""
	if old.id != 0 {
		born = strconv.FormatInt(old.born.UnixMilli(), 10)
	}
	text, err := s.epoch.Run(ctx, s.client, []string{s.epochKey}, old.text, hex.EncodeToString([]byte(nonce())), born, buckets).Text()
	if err != nil {
		return era{}, err
	}
	if now := parseEra(text); now.id != 0 && now.buckets != 0 {
		return now, nil
	}
	return era{}, errDamagedLog
}

// current returns the epoch.
func (s *stream) current(ctx context.Context) (era, error) {
	text, err := s.client.Get(ctx, s.epochKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return era{}, err
	}
	return parseEra(text), nil
}

// page reads at most so many appends after a place, and fails unless that
// still stands: what was read before it would not be in this log. An empty
// page is the end.
func (s *stream) page(ctx context.Context, after place, most int) ([]appended, error) {
	list, err := s.client.Do(ctx, "XRANGE", s.logKey, after.cursor.String(), "+", "COUNT", most+1).Slice()
	if err != nil {
		return nil, err
	}
	all, err := parseAll(list)
	if err != nil || after == (place{}) {
		return all, err
	}
	if len(all) == 0 || all[0].place != after {
		return nil, fmt.Errorf("%w: the log has lost what was just read of it", ErrUnavailable)
	}
	return all[1:], nil
}

// keep appends an empty entry to a log that was quiet, unless another replica
// is at it.
func (s *stream) keep(ctx context.Context) error {
	return s.beat.Run(ctx, s.client, []string{s.beatKey, s.logKey}, nonce(), s.origin, beatLock.Milliseconds(), maxStream).Err()
}

// await blocks until there is something after a cursor, at most for d, and
// returns where that stands; after itself where nothing came.
func (s *stream) await(ctx context.Context, after revocation.Cursor, d time.Duration) (at revocation.Cursor, err error) {
	ctx, cancel := context.WithTimeout(ctx, d+turnTimeout)
	defer cancel()
	news, err := s.client.XRead(ctx, &redis.XReadArgs{Streams: []string{s.logKey, after.String()}, Count: 1, Block: d}).Result()
	if errors.Is(err, redis.Nil) {
		return after, nil
	}
	if err != nil || len(news) == 0 || len(news[0].Messages) == 0 {
		return after, err
	}
	at, _ = parseID(news[0].Messages[0].ID)
	return at, nil
}

// nonce returns 8 random bytes that are not all zero.
func nonce() string {
	var b [8]byte
	for b == ([8]byte{}) {
		_, _ = rand.Read(b[:]) // never fails
	}
	return string(b[:])
}
