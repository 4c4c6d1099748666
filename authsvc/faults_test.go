package authsvc_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/users"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// people is the real user file with a fault to switch on.
type people struct {
	*users.UserFile
	fault atomic.Pointer[error]
	panic atomic.Bool
	more  atomic.Pointer[func(*authsvc.User)]
}

func (p *people) Authenticate(ctx context.Context, name, password string) (authsvc.User, error) {
	if p.panic.Load() {
		panic("a user file that panics")
	}
	if err := p.fault.Load(); err != nil {
		return authsvc.User{}, *err
	}
	u, err := p.UserFile.Authenticate(ctx, name, password)
	return p.change(u), err
}

func (p *people) Lookup(ctx context.Context, sub string) (authsvc.User, error) {
	if err := p.fault.Load(); err != nil {
		return authsvc.User{}, *err
	}
	u, err := p.UserFile.Lookup(ctx, sub)
	return p.change(u), err
}

func (p *people) change(u authsvc.User) authsvc.User {
	if f := p.more.Load(); f != nil {
		(*f)(&u)
	}
	return u
}

func (p *people) with(f func(*authsvc.User)) { p.more.Store(&f) }

// faultyLog and faultySessions are the real store with a fault to switch on.
type faultyLog struct {
	authsvc.Log
	fault   atomic.Bool
	apart   atomic.Bool // the shared store is away: what is appended is kept here
	appends atomic.Int64
	cut     atomic.Pointer[context.CancelFunc] // of the running Follow
}

var errDisk = errors.New("the disk is on fire")

func (l *faultyLog) Append(ctx context.Context, e ...revocation.Entry) error {
	if l.fault.Load() {
		return errDisk
	}
	l.appends.Add(1)
	if err := l.Log.Append(ctx, e...); err != nil || !l.apart.Load() {
		return err
	}
	return authsvc.ErrNotShared
}

func (l *faultyLog) Follow(ctx context.Context, deliver func(authsvc.Batch)) error {
	if l.fault.Load() {
		return errDisk
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.cut.Store(&cancel)
	return l.Log.Follow(ctx, deliver)
}

type faultySessions struct {
	authsvc.Sessions
	fault    atomic.Bool
	mute     atomic.Bool // the step is made, and its answer lost
	presents atomic.Int64
	settled  atomic.Int64
}

func (s *faultySessions) Present(ctx context.Context, p authsvc.Presentation) (authsvc.Outcome, error) {
	if s.fault.Load() {
		return authsvc.Outcome{}, errDisk
	}
	s.presents.Add(1)
	out, err := s.Sessions.Present(ctx, p)
	if err == nil && s.mute.Load() {
		return authsvc.Outcome{}, authsvc.ErrUnanswered
	}
	return out, err
}

func (s *faultySessions) Settle(ctx context.Context, p authsvc.Presentation, granted time.Time) (authsvc.Outcome, error) {
	if s.fault.Load() || s.mute.Load() {
		return authsvc.Outcome{}, errDisk
	}
	out, err := s.Sessions.Settle(ctx, p, granted)
	s.settled.Add(1)
	return out, err
}

// faultyData is the real store with a fault to switch on.
type faultyData struct {
	authsvc.Data
	fault atomic.Bool
	mute  atomic.Bool // a write is made, and its answer lost
	calls atomic.Int64
}

func (d *faultyData) Read(ctx context.Context, sid tokens.ID, names ...string) ([][]byte, error) {
	d.calls.Add(1)
	if d.fault.Load() {
		return nil, errDisk
	}
	return d.Data.Read(ctx, sid, names...)
}

func (d *faultyData) Write(ctx context.Context, sid tokens.ID, head []byte, cells map[string][]byte, end time.Time) (bool, error) {
	d.calls.Add(1)
	if d.fault.Load() {
		return false, errDisk
	}
	written, err := d.Data.Write(ctx, sid, head, cells, end)
	if d.mute.Load() {
		return false, errDisk
	}
	return written, err
}

// lines keeps what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
