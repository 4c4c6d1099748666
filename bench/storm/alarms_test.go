package storm

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// alarms hears what the replicas log: when each session was taken for stolen,
// and, to be read when the test has failed, what else there was.
type alarms struct {
	mu     sync.Mutex
	thefts map[tokens.ID]alarm
	rest   []string
}

// alarm is the first verdict on a session.
type alarm struct {
	at   time.Time
	text string
}

func newAlarms(t *testing.T) *alarms {
	a := &alarms{thefts: map[tokens.ID]alarm{}}
	t.Cleanup(func() {
		if t.Failed() {
			a.mu.Lock()
			defer a.mu.Unlock()
			for _, line := range a.rest[max(0, len(a.rest)-20):] {
				t.Log(line)
			}
		}
	})
	return a
}

func (a *alarms) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.thefts)
}

func (a *alarms) of(sid tokens.ID) (alarm, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.thefts[sid]
	return one, ok
}

// Enabled implements slog.Handler.
func (a *alarms) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (a *alarms) Handle(_ context.Context, r slog.Record) error {
	one, sid := alarm{at: r.Time, text: r.Message}, tokens.ID{}
	r.Attrs(func(attr slog.Attr) bool {
		one.text += " " + attr.String()
		if id, ok := attr.Value.Any().(tokens.ID); ok {
			sid = id
		}
		return true
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, again := a.thefts[sid]; r.Message == "refresh.theft" && !again {
		a.thefts[sid] = one
	}
	if r.Level > slog.LevelInfo && len(a.rest) < 100_000 {
		a.rest = append(a.rest, r.Time.Format("05.000 ")+one.text)
	}
	return nil
}

// WithAttrs implements slog.Handler; nobody adds what is needed here.
func (a *alarms) WithAttrs([]slog.Attr) slog.Handler { return a }

// WithGroup implements slog.Handler.
func (a *alarms) WithGroup(string) slog.Handler { return a }
