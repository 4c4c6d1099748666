package authtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// generationHeader says which generation of the keys a key set is.
const generationHeader = "Sealring-Generation"

// Generation returns the generation of the keys: 1, and one more with each
// Rotate and RevokeKey.
func (i *Issuer) Generation() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.gen
}

// Verifiers returns, by their random ids, which generation of the keys each
// follower has said that it holds. Those who have gone stay in it.
func (i *Issuer) Verifiers() map[string]uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.verifiers)
}

// introduce notes how a follower names itself when it connects.
func (i *Issuer) introduce(id, holding string) {
	generation, err := strconv.ParseUint(holding, 10, 63)
	if id == "" || err != nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.verifiers[id] = generation
}

// held serves POST /v1/feed/held.
func (i *Issuer) held(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Verifier   tokens.ID `json:"verifier"`
		Generation uint64    `json:"generation"`
		Position   string    `json:"position"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&said)
	if err == nil {
		_, err = revocation.ParsePosition(said.Position)
	}
	if err != nil || said.Generation == 0 {
		http.Error(w, "not a report", http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	id := said.Verifier.String()
	i.verifiers[id] = max(i.verifiers[id], said.Generation)
	w.WriteHeader(http.StatusNoContent)
}
