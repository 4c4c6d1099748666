package main

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// TestSessionsWithRedis runs the scripts that need one: $SEALRING_REDIS and
// $EMPTY are two of its databases, which no other script has.
func TestSessionsWithRedis(t *testing.T) {
	server := redistest.Start(t)
	var databases atomic.Int32
	next := func() string { return fmt.Sprintf("%s/%d", server.URL(), databases.Add(1)) }
	t.Run("scripts", func(t *testing.T) { // which are parallel: the server outlives them
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata/redis",
			RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("SEALRING_REDIS", next())
				env.Setenv("EMPTY", next())
				return nil
			},
			Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits},
		})
	})
}
