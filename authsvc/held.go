package authsvc

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/openapi/adminapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// generationHeader says which generation of the ring a key set is made from,
// so that a follower knows what it holds before the feed tells it.
const generationHeader = "Sealring-Generation"

const maxRemote = 64 // bytes of a peer's address that are kept

// FeedHeld implements openapi.ServerInterface: a follower has taken over a new
// generation of the keys.
func (a *publicAPI) FeedHeld(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.feedHeld(r)
	s.finish(w, r, p, err)
}

func (s *Service) feedHeld(r *http.Request) (*reply, error) {
	client, err := s.clientWith(r, scopeFeed)
	if err != nil {
		return nil, err
	}
	h, err := readHeld(r)
	if err != nil {
		return nil, err
	}
	s.verifiers.report(verifierName{client.ID, h.verifier}, remote(r), h.generation, h.pos, s.now())
	return newReply(http.StatusNoContent), nil
}

// held is what a follower says, or a relay of it.
type held struct {
	verifier   tokens.ID
	generation uint64
	pos        revocation.Position
}

func readHeld(r *http.Request) (h held, err error) {
	var req openapi.Held
	if err := needJSON(r, &req); err != nil {
		return h, err
	}
	if h.verifier, err = tokens.ParseID(req.Verifier); err != nil {
		return h, invalidField("verifier", "is not an id")
	}
	if h.pos, err = revocation.ParsePosition(req.Position); err != nil {
		return h, invalidField("position", "is not a position")
	}
	if req.Generation < 0 {
		return h, invalidField("generation", "is negative")
	}
	h.generation = uint64(req.Generation)
	return h, nil
}

// checkVerifier reads how a follower names itself; nil if it does not.
func checkVerifier(r *http.Request, params *openapi.FeedParams) (*tokens.ID, *uint64, error) {
	query := r.URL.Query()
	switch {
	case query.Has("holding") && (!query.Has("verifier") || params.Holding < 0):
		return nil, nil, invalidRequest("holding is a generation, and needs verifier")
	case !query.Has("verifier"):
		return nil, nil, nil
	}
	id, err := tokens.ParseID(params.Verifier)
	if err != nil {
		return nil, nil, invalidRequest("verifier is not an id")
	}
	if !query.Has("holding") {
		return &id, nil, nil
	}
	holding := uint64(params.Holding)
	return &id, &holding, nil
}

// attend notes that a follower is there until leave is called; nil for one
// that does not name itself.
func (s *Service) attend(r *http.Request, client Client, id *tokens.ID, holding *uint64) (who *verifier, leave func()) {
	if id == nil {
		return nil, func() {}
	}
	who = s.verifiers.join(verifierName{client.ID, *id}, remote(r), holding, s.now())
	return who, func() { s.verifiers.leave(who, s.now()) }
}

// remote is the address of the other end of the connection: a proxy's, where
// there is one, since what a proxy says can be made up.
func remote(r *http.Request) string { return r.RemoteAddr[:min(len(r.RemoteAddr), maxRemote)] }

// ListVerifiers implements adminapi.ServerInterface.
func (a *adminAPI) ListVerifiers(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.listVerifiers()
	s.finish(w, r, p, err)
}

func (s *Service) listVerifiers() (*reply, error) {
	// The generation first: who is found to hold less has had no chance yet.
	body := adminapi.VerifierList{
		Generation: int64(s.hub.ring.Load().Generation()),
		Since:      s.verifiers.born.UTC(),
		Verifiers:  s.verifiers.list(s),
	}
	slices.SortFunc(body.Verifiers, func(a, b adminapi.Verifier) int {
		if a.Live != b.Live {
			if a.Live {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.ClientID, b.ClientID), strings.Compare(a.ID, b.ID))
	})
	return jsonReply(http.StatusOK, body)
}

func (v *verifiers) list(s *Service) []adminapi.Verifier {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := s.now()
	all := make([]adminapi.Verifier, 0, len(v.all))
	for _, f := range v.all {
		f.mu.Lock()
		pos, sent := f.pos, f.sent
		f.mu.Unlock()
		out := adminapi.Verifier{
			ID: f.name.id.String(), ClientID: f.name.client, Remote: f.remote,
			Live: f.live(now), Connected: f.streams > 0, Since: f.since.UTC(),
			Generation: int64(f.generation), ReportedAt: f.reported.UTC(),
		}
		if sent.IsZero() {
			sent = f.since
		} else {
			out.Position = pos.String()
		}
		out.LagMs = max(now.Sub(sent).Milliseconds(), 0)
		all = append(all, out)
	}
	return all
}
