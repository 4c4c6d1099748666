package authsvc

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/middleware"
	"github.com/sealring-dev/sealring/openapi/adminapi"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

const (
	adminPath     = "/admin/"
	defaultListed = 1000
	maxListed     = 10_000
)

// adminOnly lets only the admin token through to the admin API; the probes
// need none.
func (s *Service) adminOnly(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.cfg.AdminToken.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, adminPath) {
			if err := s.checkAdmin(r, want); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// checkAdmin compares hashes, so that neither content nor length of the token
// can be learned from the time it takes.
func (s *Service) checkAdmin(r *http.Request, want [32]byte) error {
	switch len(r.Header["Authorization"]) {
	case 0:
		return middleware.ErrNoCredential
	case 1:
	default:
		return middleware.ErrManyCredentials
	}
	got := sha256.Sum256([]byte(bearer(r)))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return middleware.ErrInvalidToken
	}
	return nil
}

// CreateRevocation implements adminapi.ServerInterface.
func (a *adminAPI) CreateRevocation(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	p, err := s.createRevocation(r)
	s.finish(w, r, p, err)
}

// revocationRequest is adminapi.RevocationRequest, but tells a Before that is
// absent, which means now, from the zero time, which would mean nobody.
type revocationRequest struct {
	Type   adminapi.RevocationType `json:"type"`
	Value  string                  `json:"value,omitempty"`
	Before *time.Time              `json:"before,omitempty"`
}

func (s *Service) createRevocation(r *http.Request) (*reply, error) {
	var req revocationRequest
	if err := needJSON(r, &req); err != nil {
		return nil, err
	}
	e, err := s.entryOf(&req, s.now())
	if err != nil {
		return nil, err
	}
	shared, err := s.revoke(r, e)
	switch {
	case err != nil:
		return nil, err
	case !shared:
		return jsonReply(http.StatusAccepted, notShared(revocationOf(e)))
	}
	return jsonReply(http.StatusCreated, revocationOf(e))
}

func notShared(e adminapi.Revocation) adminapi.RevocationNotShared {
	return adminapi.RevocationNotShared{Type: e.Type, ID: e.ID, Time: e.Time, Made: e.Made, Expires: e.Expires, Durable: true}
}

// entryOf makes the entry that a request asks for.
func (s *Service) entryOf(req *revocationRequest, now time.Time) (revocation.Entry, error) {
	if err := s.checkRevocation(req, now); err != nil {
		return revocation.Entry{}, err
	}
	iss, before := s.cfg.Issuer, s.after(time.Unix(max(now.Unix(), s.newest.Load()), 0), now)
	if req.Before != nil {
		before = *req.Before
	}
	switch req.Type {
	case adminapi.RevocationTypeToken, adminapi.RevocationTypeSession:
		id, err := tokens.ParseID(req.Value)
		if err != nil {
			return revocation.Entry{}, invalidField("value", "is not an id")
		}
		if req.Type == adminapi.RevocationTypeToken {
			return revocation.TokenEntry(id, now, s.lapses(now)), nil
		}
		return revocation.SessionEntry(id, now, s.ends(now)), nil
	case adminapi.RevocationTypeSubject:
		if req.Before == nil {
			return s.subjectEntry(req.Value, now), nil
		}
		return revocation.SubjectEntry(iss, req.Value, before, s.outlives(now)), nil
	case adminapi.RevocationTypeClient:
		return revocation.ClientEntry(iss, req.Value, before, s.outlives(now)), nil
	case adminapi.RevocationTypeAudience:
		return revocation.AudienceEntry(iss, req.Value, before, s.outlives(now)), nil
	case adminapi.RevocationTypeKey:
		return s.keyEntry(req.Value, now)
	case adminapi.RevocationTypeAll:
		return revocation.AllEntry(before, s.outlives(now)), nil
	case adminapi.RevocationTypeClaims:
		return s.claimsEntry(req.Value, now), nil
	}
	return revocation.Entry{}, invalidField("type", "is unknown")
}

func (s *Service) checkRevocation(req *revocationRequest, now time.Time) error {
	all := req.Type == adminapi.RevocationTypeAll
	switch {
	case all && req.Value != "":
		return invalidField("value", "is not for type all")
	case !all && req.Value == "":
		return invalidField("value", "is missing")
	case req.Before == nil:
	case !isNotBefore(req.Type):
		return invalidField("before", "is not for this type")
	case req.Before.After(now.Add(time.Second)):
		return invalidField("before", "is in the future")
	case req.Before.Unix() < 1:
		return invalidField("before", "is before 1970")
	}
	return within("value", req.Value, 0, 1024)
}

// isNotBefore says whether a type takes a moment of the caller's choice. Claims
// do not: they are stale now.
func isNotBefore(t adminapi.RevocationType) bool {
	switch t {
	case adminapi.RevocationTypeSubject, adminapi.RevocationTypeClient, adminapi.RevocationTypeAudience, adminapi.RevocationTypeAll:
		return true
	}
	return false
}

// keyEntry kills what a key of the ring signed, for as long as that could be
// accepted. It leaves the ring as it is: a key without an end is published and
// would be trusted again, so it is dead without an end.
func (s *Service) keyEntry(kid string, now time.Time) (revocation.Entry, error) {
	for _, k := range s.hub.ring.Load().Keys() {
		switch {
		case k.ID != kid || k.Purpose != keys.AccessToken:
		case k.VerifyUntil.IsZero():
			return revocation.KeyEntry(s.cfg.Issuer, kid, now, time.Unix(math.MaxUint32, 0)), nil
		default:
			return revocation.KeyEntry(s.cfg.Issuer, kid, now, s.hub.deadUntil(k, now)), nil
		}
	}
	return revocation.Entry{}, invalidField("value", "is no access token key of the ring")
}

// ListRevocations implements adminapi.ServerInterface.
func (a *adminAPI) ListRevocations(w http.ResponseWriter, r *http.Request, params adminapi.ListRevocationsParams) {
	s := (*Service)(a)
	p, err := s.listRevocations(r, int(params.Limit))
	s.finish(w, r, p, err)
}

func (s *Service) listRevocations(r *http.Request, limit int) (*reply, error) {
	if !r.URL.Query().Has("limit") {
		limit = defaultListed
	}
	if limit < 1 || limit > maxListed {
		return nil, invalidRequest("limit must be 1 to 10000")
	}
	v := s.hub.view.Load()
	if v == nil {
		return nil, unavailable(errNotReady)
	}
	entries := s.hub.list.Entries(s.now())
	body := adminapi.RevocationList{Total: int64(len(entries)), Position: v.pos.String(), Revocations: []adminapi.Revocation{}}
	for _, e := range latest(entries, limit) {
		body.Revocations = append(body.Revocations, revocationOf(e))
	}
	return jsonReply(http.StatusOK, body)
}

// latest returns the entries that were made last, in order. It sorts no more
// than a few of what may be millions, and overwrites what it is given.
func latest(entries []revocation.Entry, limit int) []revocation.Entry {
	top, full := entries[:0], false
	for _, e := range entries {
		if full && newerFirst(e, top[limit-1]) >= 0 {
			continue
		}
		if top = append(top, e); len(top) == 2*limit {
			slices.SortFunc(top, newerFirst)
			top, full = top[:limit], true
		}
	}
	slices.SortFunc(top, newerFirst)
	return top[:min(limit, len(top))]
}

func newerFirst(a, b revocation.Entry) int {
	return cmp.Or(cmp.Compare(b.Made, a.Made), cmp.Compare(b.T, a.T), cmp.Compare(a.Type, b.Type), slices.Compare(a.ID[:], b.ID[:]))
}

func revocationOf(e revocation.Entry) adminapi.Revocation {
	out := adminapi.Revocation{
		Type:    adminapi.RevocationType(e.Type.String()),
		ID:      base64.RawURLEncoding.EncodeToString(e.ID[:]),
		Time:    time.Unix(int64(e.T), 0).UTC(),
		Expires: time.Unix(int64(e.Exp), 0).UTC(),
	}
	if e.Made != 0 {
		out.Made = time.Unix(int64(e.Made), 0).UTC()
	}
	return out
}

// ListKeys implements adminapi.ServerInterface.
func (a *adminAPI) ListKeys(w http.ResponseWriter, r *http.Request) {
	s := (*Service)(a)
	ring, now := s.hub.ring.Load(), s.now()
	body := adminapi.KeyList{Generation: int64(ring.Generation()), MaxSeals: int64(s.seals.most), Keys: []adminapi.KeyInfo{}}
	for _, k := range ring.Keys() {
		state, _ := ring.State(k.ID, now)
		body.Keys = append(body.Keys, adminapi.KeyInfo{
			Kid: k.ID, Purpose: adminapi.KeyInfoPurpose(k.Purpose), Alg: adminapi.KeyInfoAlg(k.Alg),
			State: adminapi.KeyInfoState(state), PublishAt: k.PublishAt, SignFrom: k.SignFrom,
			SignUntil: k.SignUntil, VerifyUntil: k.VerifyUntil, RevokedAt: k.RevokedAt, Reason: k.Reason,
			Seals: int64(k.Seals), RotationDue: state == keys.Signing && ring.RotationDue(k.Purpose, now),
		})
	}
	p, err := jsonReply(http.StatusOK, body)
	s.finish(w, r, p, err)
}
