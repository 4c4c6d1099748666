package boltstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// A session is revoked. Whoever begins to follow afterwards, and be it after
// a crash, finds it in the snapshot.
func ExampleOpen() {
	folder, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	store, err := boltstore.Open(filepath.Join(folder, "store.db"), boltstore.Options{})
	if err != nil {
		panic(err)
	}
	defer store.Close()

	ctx, cancel := context.WithCancel(context.Background())
	sid, now := tokens.NewID(), time.Now()
	if err := store.Append(ctx, revocation.SessionEntry(sid, now, now.Add(time.Hour))); err != nil {
		panic(err)
	}
	err = store.Follow(ctx, func(b authsvc.Batch) {
		fmt.Println(b.Frame.Entries[0].Type, b.Frame.Entries[0].ID == sid)
		cancel()
	})
	fmt.Println(err)
	// Output:
	// session true
	// context canceled
}
