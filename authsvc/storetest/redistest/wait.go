package redistest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// await asks until ok answers nil, or patience or the process ends.
func await(died <-chan struct{}, ok func() error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-died:
			return errors.New("the process has ended")
		case <-late:
			return fmt.Errorf("not within %v: %w", patience, err)
		}
	}
}

// freePort finds a port below those that the system hands out to clients,
// so that nobody gets it as a source port while its server is down.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 12000 + rand.IntN(20000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
