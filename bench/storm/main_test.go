package storm

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// quiet drops what go-redis logs about each failed dial.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// net/http lingers half a second over a connection whose request it refused.
func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// size returns the one at full size where SEALRING_FULL asks for it.
func size[T any](everyday, full T) T {
	if os.Getenv("SEALRING_FULL") != "" {
		return full
	}
	return everyday
}

// patience is how long to wait for what takes moments on an idle machine.
const patience = 3 * time.Minute

// eventually polls, with a deadline.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
