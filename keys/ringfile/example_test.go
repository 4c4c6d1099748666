package ringfile_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// An administrator makes a ring and rotates it; a service has it open.
func Example() {
	folder, err := os.MkdirTemp("", "ring")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path, master := filepath.Join(folder, "ring.jwe"), ringfile.NewMasterKey()

	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	if err := ringfile.Create(path, master, ring); err != nil {
		log.Fatal(err)
	}
	service, err := ringfile.Open(path, master)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	rings, done := make(chan *keys.Ring), make(chan error)
	go func() {
		done <- service.Watch(ctx, func(r *keys.Ring) { rings <- r }, func(err error) { log.Print(err) })
	}()
	fmt.Println("the service has generation", (<-rings).Generation())

	administrator, err := ringfile.Open(path, master)
	if err != nil {
		log.Fatal(err)
	}
	_, err = administrator.Update(ctx, func(r *keys.Ring) (*keys.Ring, error) {
		return r.Rotate(keys.AccessToken, keys.Plan{}, time.Now())
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the service has generation", (<-rings).Generation())
	stop()
	<-done
	// Output:
	// the service has generation 1
	// the service has generation 2
}
