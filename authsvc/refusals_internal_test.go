package authsvc

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

// saying is a Log whose appends come to what it is told.
type saying struct {
	Log
	err error
}

func (s *saying) Append(context.Context, ...revocation.Entry) error { return s.err }

func TestOnlyWhatCouldNotBeKeptIsARefusal(t *testing.T) {
	disk := errors.New("the disk is full")
	log := new(saying)
	now := time.Unix(1_800_000_000, 0)
	r := &refusals{Log: log, now: func() time.Time { return now }}
	for _, step := range []struct {
		err  error
		want bool
	}{{nil, false}, {ErrNotShared, false}, {revocation.ErrInvalid, false}, {disk, true}, {disk, true}, {revocation.ErrInvalid, true}, {ErrNotShared, false}, {disk, true}, {nil, false}} {
		log.err = step.err
		now = now.Add(time.Second)
		if err := r.Append(t.Context()); err != step.err {
			t.Errorf("%v became %v", step.err, err)
		}
		if got := r.last.Load() != nil; got != step.want {
			t.Errorf("after %v: %v", step.err, got)
		}
	}
}
