package redisstore

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// healBound is how long after its acknowledgement a revocation may be unknown
// to a verifier that takes itself to be up to date: what a heal takes, on a
// busy machine. (Between an emptied Redis and the writing back, a replica that
// has not heard of an entry yet reads all that there is.)
const healBound = 10 * time.Second

// verifier follows the fleet as a microservice does, and keeps a history of
// its own: which batches it was found to refuse, and what it did wrong.
type verifier struct {
	t       testing.TB
	f       *issuer.Follower
	checked int   // how many of the acknowledged batches, in their order
	refused []int // those batches
	served  int   // valid tokens
	faults  []string
}

// verifierOf follows the first replica that can be reached, in this order.
func verifierOf(t testing.TB, replicas ...*process) *verifier {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (c net.Conn, err error) {
		for _, r := range replicas {
			if c, err = new(net.Dialer).DialContext(ctx, network, r.setup.Listen); err == nil {
				break
			}
		}
		return c, err
	}}
	f, err := issuer.Follow(t.Context(), issuer.Config{Issuer: fleetIssuer, HTTP: &http.Client{Transport: transport},
		Client: issuer.Client{ID: "orders", Secret: "secret"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); transport.CloseIdleConnections() })
	eventually(t, "a verifier is ready", f.Ready)
	return &verifier{t: t, f: f}
}

// missing counts the entries of a batch that the verifier would accept.
func (v *verifier) missing(b int, size int) (n int) {
	typ := typeOf(b)
	for i := range size {
		c := tokens.Claims{Issuer: fleetIssuer}
		if id := idOf(b, i); typ == revocation.Session {
			c.SessionID = id
		} else {
			c.ID = id
		}
		if _, dead := v.f.Revocations().Match(&c); !dead {
			n++
		}
	}
	return n
}

// watch looks once at everything that must hold at any moment.
func (v *verifier) watch(h *acks, valid []string) {
	now, asOf := time.Now(), v.f.AsOf()
	for ; v.checked < h.len(); v.checked++ {
		a := h.at(v.checked)
		if !a.shared {
			continue // promised is no more than that it will be
		}
		if asOf.Before(a.at.Add(healBound)) {
			break
		}
		if n := v.missing(a.batch, h.size); n > 0 {
			v.faults = append(v.faults, "accepts what was revoked longer ago than the bound")
		}
		v.refused = append(v.refused, a.batch)
	}
	for range min(5, len(v.refused)) {
		if b := v.refused[rand.N(len(v.refused))]; v.missing(b, h.size) > 0 {
			v.faults = append(v.faults, "accepts again what it had refused")
		}
	}
	for _, raw := range valid {
		c, err := tokens.Verify(raw, v.f, tokens.Expect{Issuer: fleetIssuer, Audiences: []string{"orders"}, Leeway: time.Minute}, now)
		if err != nil {
			v.faults = append(v.faults, "refuses a valid token: "+err.Error())
			continue
		}
		if _, dead := v.f.Revocations().Match(c); dead {
			v.faults = append(v.faults, "takes a valid token for revoked")
		}
		v.served++
	}
}

// validTokens are tokens of sessions that nobody revokes.
func validTokens(t testing.TB, ring *keys.Ring, n int) (all []string) {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	k, err := ring.Current(keys.AccessToken, now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		raw, err := tokens.Sign(&tokens.Claims{Issuer: fleetIssuer, Subject: "ann", Audience: []string{"orders"}, IssuedAt: now,
			ExpiresAt: now.Add(2 * time.Hour), ID: tokens.NewID(), SessionID: tokens.NewID(), ClientID: "login", AuthTime: now}, k)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	return all
}
