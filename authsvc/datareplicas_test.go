package authsvc_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/redisstore"
	"github.com/sealring-dev/sealring/authsvc/storetest/redistest"
)

// Changes at two replicas are one history, and a Redis that is emptied in the
// middle of it loses none: the cookie still has the data.
func TestPatchesAtTwoReplicasAllHold(t *testing.T) {
	server := redistest.Start(t)
	share := func(c *authsvc.Config) {
		c.Log, c.Sessions = overRedis(t, server)
		data, err := redisstore.NewData(redisstore.Config{Client: server.Client(t), Timeout: 20 * time.Second})
		must(t, err)
		c.Data = data
	}
	var cfg authsvc.Config
	w := newWorld(t, share, func(c *authsvc.Config) { cfg = *c })
	share(&cfg)
	other := w.replicaOf(cfg)
	in := w.loginWith(`{"cart":{}}`)
	jar, sid := session(t, in), w.sid(t, in)
	var all sync.WaitGroup
	for i, at := range []string{w.issuer, other} {
		for j := range 20 {
			all.Go(func() {
				a := w.do("PATCH", at+"/v1/session", "application/merge-patch+json", fmt.Sprintf(`{"cart":{"%d":%d}}`, 2*j+i, j), jar)
				if a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
	}
	all.Wait()
	last := w.do("PATCH", other+"/v1/session", "application/merge-patch+json", `{"last":true}`, jar).want(t, 200, "")
	var got struct {
		Version int
		Data    struct{ Cart map[string]int }
	}
	must(t, json.Unmarshal(last.body, &got))
	if got.Version != 42 || len(got.Data.Cart) != 40 {
		t.Errorf("%s", last.body)
	}
	if left := server.Do("PTTL", "sr:d:"+string(sid[:])); left.(int64) < (12*time.Hour).Milliseconds()-60_000 {
		t.Errorf("it is kept for %v ms", left)
	}
	if server.Do("FLUSHALL"); server.Do("EXISTS", "sr:d:"+string(sid[:])).(int64) != 0 {
		t.Error("it is still there: nothing is shown")
	}
	again := w.patch(`{"more":true}`, session(t, last)).want(t, 200, "")
	must(t, json.Unmarshal(again.body, &got))
	if got.Version != 43 || len(got.Data.Cart) != 40 {
		t.Errorf("after the loss: %s", again.body)
	}
}
