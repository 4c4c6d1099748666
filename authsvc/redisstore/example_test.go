package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/redisstore"
	"github.com/sealring-dev/sealring/tokens"
)

// A refresh token is shown to whichever replica: all of them answer with the
// same successor.
func ExampleNewSessions() {
	client := redis.NewClient(&redis.Options{
		Addr:                  "redis.internal:6379",
		ContextTimeoutEnabled: true,
	})
	defer client.Close()
	born := time.Now() // in earnest: what the log of revocations knows
	sessions, err := redisstore.NewSessions(redisstore.Config{
		Client: client,
		Born:   func(tokens.ID) time.Time { return born },
		// of the log too: for a million sessions
		Buckets: func() uint32 { return 15_625 },
	})
	if err != nil {
		log.Fatal(err)
	}
	out, err := sessions.Present(context.Background(), authsvc.Presentation{
		SessionID:  tokens.NewID(),
		IssuedAt:   time.Now().UnixMilli(),
		SessionEnd: time.Now().Add(12 * time.Hour),
	})
	if err != nil {
		log.Print(err) // go on without the store, or answer 503
		return
	}
	fmt.Println(out.Verdict, out.Generation)
}
