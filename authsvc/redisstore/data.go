package redisstore

import (
	"cmp"
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/tokens"
)

//go:embed data.lua
var dataScript string

// Data keeps the data of sessions in Redis, a hash for each whose data was
// changed. What Redis loses, the cookies of the sessions still have, but for the
// fields that are kept here alone. It is safe for concurrent use and has nothing
// to close but the client it was given.
type Data struct {
	client  redis.UniversalClient
	write   *redis.Script
	away    func() bool
	timeout time.Duration
	now     func() time.Time
}

var _ authsvc.Data = (*Data)(nil)

// NewData makes a Data of what Redis holds. It asks Redis nothing. Of the Config
// it takes Client, Timeout and Away. ErrConfig.
func NewData(cfg Config) (*Data, error) {
	if cfg.Client == nil {
		return nil, fmt.Errorf("opening the data of sessions in Redis: %w: Client is missing", ErrConfig)
	}
	if err := checkClient(cfg.Client); err != nil {
		return nil, fmt.Errorf("opening the data of sessions in Redis: %w", err)
	}
	return &Data{
		client:  cfg.Client,
		write:   redis.NewScript(dataScript),
		away:    cfg.Away,
		timeout: cmp.Or(cfg.Timeout, DefaultTimeout),
		now:     time.Now,
	}, nil
}

func dataKey(sid tokens.ID) string { return "sr:d:" + string(sid[:]) }

// Read implements authsvc.Data. Errors as for Write.
func (d *Data) Read(ctx context.Context, sid tokens.ID, names ...string) ([][]byte, error) {
	if d.away != nil && d.away() {
		return nil, fmt.Errorf("reading data: %w", ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	found, err := d.client.HMGet(ctx, dataKey(sid), names...).Result()
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", dataError(err))
	}
	cells := make([][]byte, len(names))
	for i, v := range found {
		if s, there := v.(string); there && i < len(cells) {
			cells[i] = []byte(s)
		}
	}
	return cells, nil
}

// Write implements authsvc.Data. Errors: authsvc.ErrBadCells,
// authsvc.ErrStoreClosed once the client was closed, or ErrUnavailable: the write
// may have been made, and may be made yet, as long as nobody else has written.
func (d *Data) Write(ctx context.Context, sid tokens.ID, head []byte, cells map[string][]byte, end time.Time) (bool, error) {
	if err := authsvc.CheckCells(cells); err != nil {
		return false, fmt.Errorf("writing data: %w", err)
	}
	if d.away != nil && d.away() {
		return false, fmt.Errorf("writing data: %w", ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	left := max(end.Sub(d.now()), time.Second)
	written, err := d.write.Run(ctx, d.client, []string{dataKey(sid)}, dataArguments(head, cells, left)...).Int()
	if err != nil {
		return false, fmt.Errorf("writing data: %w", dataError(err))
	}
	return written == 1, nil
}

// dataArguments are the ARGV of data.lua.
func dataArguments(head []byte, cells map[string][]byte, left time.Duration) []any {
	var set, gone []any
	for name, cell := range cells {
		if cell == nil {
			gone = append(gone, name)
		} else {
			set = append(set, name, cell)
		}
	}
	is := "0"
	if head != nil {
		is = "1"
	}
	return append(append([]any{is, head, left.Milliseconds(), len(set) / 2}, set...), gone...)
}

func dataError(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return authsvc.ErrStoreClosed
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
