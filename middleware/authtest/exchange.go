package authtest

import (
	"net/http"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// TokenPath is where tokens are exchanged.
const TokenPath = "/v1/token"

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
)

// exchange gives a token of the same session for another audience (RFC 8693), as
// middleware.Guard.Next asks for it. The one client may have any.
func (i *Issuer) exchange(w http.ResponseWriter, r *http.Request) {
	audience := r.PostFormValue("audience")
	if r.PostFormValue("grant_type") != grantExchange || r.PostFormValue("subject_token_type") != typeAccess || audience == "" {
		refuseExchange(w, "unsupported_grant_type")
		return
	}
	now := time.Now()
	i.mu.Lock()
	ring := i.rings[len(i.rings)-1]
	i.mu.Unlock()
	c, err := tokens.VerifyLive(r.PostFormValue("subject_token"), ring, tokens.Expect{Issuer: i.URL, Audiences: []string{i.Audience}}, now)
	if err != nil {
		refuseExchange(w, "invalid_request")
		return
	}
	c.Actors = []string{i.ClientID, c.ClientID}
	c.Audience, c.ClientID, c.ID, c.IssuedAt = []string{audience}, i.ClientID, tokens.NewID(), now.UTC().Truncate(time.Second)
	raw, err := tokens.Sign(c, i.current(keys.AccessToken))
	if err != nil {
		i.t.Errorf("authtest: signing an exchanged token: %v", err)
		refuseExchange(w, "server_error")
		return
	}
	writeJSON(w, map[string]any{
		"access_token": raw, "issued_token_type": typeAccess, "token_type": "Bearer", "expires_in": int(c.ExpiresAt.Sub(now).Seconds()),
	})
}

func refuseExchange(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(`{"error":"` + code + `"}`))
}
