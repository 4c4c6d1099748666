package issuer_test

import (
	"testing"

	"github.com/sealring-dev/sealring/middleware/authtest"
)

func TestTheTestIssuerHearsWhatIsHeld(t *testing.T) {
	iss := authtest.New(t)
	f, _ := follow(t, iss.URL, iss.ClientID, iss.ClientSecret)
	eventually(t, "ready", f.Ready)
	id := f.Status().Verifier.String()
	if held := iss.Verifiers(); len(held) != 1 || held[id] != 1 || iss.Requests(authtest.HeldPath) != 0 {
		t.Errorf("after the connect: %v, %d reports", held, iss.Requests(authtest.HeldPath))
	}
	iss.Rotate()
	eventually(t, "the new keys are confirmed", func() bool { return iss.Verifiers()[id] == iss.Generation() })
	if n := iss.Requests(authtest.HeldPath); n != 1 {
		t.Errorf("%d reports", n)
	}
}
