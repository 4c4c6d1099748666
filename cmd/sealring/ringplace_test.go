package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// overtaken is a place in which somebody else makes a ring first.
type overtaken struct {
	ringFolder
	fault error
}

func (p overtaken) create(context.Context, *keys.Ring, ringfile.MasterKey) error {
	return fmt.Errorf("creating: %w", p.fault)
}

// A master key that opens nothing would be taken for the one that does; one
// under which a ring may have been written must stay.
func TestAMasterKeyThatSealsNothingIsNotLeftBehind(t *testing.T) {
	for fault, stays := range map[error]bool{fs.ErrExist: false, ringredis.ErrUnknown: true} {
		s := newSettings(t)
		if _, _, err := s.newRing(t.Context(), overtaken{ringFolder{s}, fault}); !errors.Is(err, fault) {
			t.Errorf("%v instead of %v", err, fault)
		}
		if exists(s.path(masterFile)) != stays {
			t.Errorf("after %v the new master key is there: %v", fault, !stays)
		}
	}
	s := newDataFolder(t) // with a master key of before
	must(t, errors.Join(os.Remove(s.path(ringFile)), os.Remove(s.path(seenFile))))
	if _, _, err := s.newRing(t.Context(), overtaken{ringFolder{s}, fs.ErrExist}); !errors.Is(err, fs.ErrExist) || !exists(s.path(masterFile)) {
		t.Errorf("%v; is the master key of before still there? %v", err, exists(s.path(masterFile)))
	}
}

// The commands reach the ring however Redis is run.
func TestTheRingIsInEachFormOfRedis(t *testing.T) {
	group, cluster := redistest.StartSentinel(t, 0), redistest.StartCluster(t, 3)
	for _, url := range []string{
		"redis-sentinel://" + group.Sentinel.Addr() + "/" + redistest.MasterName + "/1",
		"redis-cluster://" + cluster.Servers[2].Addr(),
	} {
		data := t.TempDir() + "/data"
		command(t, "", "keys", "init", "--data", data, "--redis", url)
		command(t, "", "keys", "rotate", "--use", "sig", "--data", data, "--redis", url)
		command(t, "", "keys", "list", "--data", data, "--redis", url)
		if exists(data + "/" + ringFile) {
			t.Errorf("%s: the ring is in the folder", url)
		}
	}
}
