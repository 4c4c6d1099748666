// Sealring is a token-based session service: it logs people in, hands out
// access tokens and sealed session cookies, and tells every service that
// verifies them what to stop trusting. See `sealring help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
)

func main() {
	redis.SetLogger(quietRedis{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes, as in the table of the README.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitOver    = 3 // over budget
	exitRefused = 4 // it would break live sessions
)

// run is the whole program: it parses the arguments, does what they say and
// returns the exit code. Data goes to stdout, messages to stderr.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := newApp(env, stdin, stdout, stderr)
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "sealring: %v\n", err)
	switch {
	case !a.started, errors.Is(err, errUsage):
		fmt.Fprintln(stderr, "Run 'sealring help' or add --help to a command to see how it is used.")
		return exitUsage
	case errors.Is(err, errOver):
		return exitOver
	case errors.Is(err, errRefused):
		return exitRefused
	}
	return exitFailed
}
