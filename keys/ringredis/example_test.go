package ringredis_test

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
	"github.com/sealring-dev/sealring/keys/ringredis"
)

// An administrator makes a ring and rotates it; a service follows. Both need
// the same master key.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client := redis.NewClient(&redis.Options{
		Addr:                  "redis.internal:6379",
		ContextTimeoutEnabled: true,
	})
	defer client.Close()
	cfg := ringredis.Config{
		Client:    client,
		Namespace: "prod",
		Master:    ringfile.NewMasterKey(), // in earnest: ringfile.ParseMasterKey
		CopyPath:  "/var/lib/sealring/ring.redis",
	}

	// The administrator.
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	if err := ringredis.Create(ctx, cfg, ring); err != nil {
		log.Fatal(err)
	}
	admin, err := ringredis.Open(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	_, err = admin.Update(ctx, func(r *keys.Ring) (*keys.Ring, error) {
		return r.Rotate(keys.AccessToken, keys.Plan{}, time.Now())
	})
	if err != nil {
		log.Fatal(err)
	}

	// The service.
	service, err := ringredis.Open(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	err = service.Watch(ctx,
		func(r *keys.Ring) { log.Print("now at generation ", r.Generation()) },
		func(err error) { log.Print(err) })
	if err != nil {
		log.Fatal(err)
	}
}
