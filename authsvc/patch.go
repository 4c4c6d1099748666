package authsvc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens"
)

// maxPatch bounds the body of a change; a stored field is not much shorter.
const maxPatch = maxField

// maxTurns is how often a change is made anew because other replicas came first.
const maxTurns = 100

// anyVersion is the If-Match of who wants a change whatever there is.
const anyVersion = math.MaxUint64

// PatchSession implements openapi.ServerInterface.
func (a *publicAPI) PatchSession(w http.ResponseWriter, r *http.Request, _ openapi.PatchSessionParams) {
	s := (*Service)(a)
	p, err := s.patchSession(r, w.Header())
	s.finish(w, r, p, err)
}

func (s *Service) patchSession(r *http.Request, base http.Header) (*reply, error) {
	c, err := s.dataCaller(r)
	if err != nil {
		return nil, err
	}
	patch, err := readPatch(r)
	if err != nil {
		return nil, err
	}
	from, err := ifMatch(r, c.held.Version)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.storeContext(r.Context())
	defer cancel()
	if s.changes != nil {
		leave, err := s.changes.enter(ctx, c.claims.SessionID)
		if err != nil {
			return nil, unavailable(fmt.Errorf("waiting for other changes of the session: %w", err))
		}
		defer leave()
	}
	for range maxTurns {
		p, err := s.changeData(ctx, c, patch, from, base)
		if p != nil || err != nil {
			return p, err
		}
	}
	return nil, unavailable(errors.New("the data of the session is changed by too many at once"))
}

// dataCaller is a request about the data of its session, with the cookie that
// it is in.
type dataCaller struct {
	claims tokens.Claims
	held   *tokens.Session
	now    time.Time
}

func (s *Service) dataCaller(r *http.Request) (*dataCaller, error) {
	checked, err := s.guard.Check(r)
	switch {
	case err != nil:
		return nil, err
	case bearer(r) != "":
		return nil, invalidRequest("the data of a session is for who has its cookie")
	case s.cfg.Data == nil:
		return nil, errNotFound
	}
	c := &dataCaller{claims: checked.Claims(), now: s.now()}
	if c.claims.SessionID.IsZero() {
		return nil, invalidRequest("a service's own token has no session")
	}
	c.held, err = s.heldCookie(r, c.now)
	return c, err
}

// readPatch reads a merge patch, which must be as strict as the data.
func readPatch(r *http.Request) (map[string]any, error) {
	data, err := readBody(r, "application/merge-patch+json", "application/json")
	if err != nil {
		return nil, err
	}
	if !tokens.IsStrictObject(data) {
		return nil, invalidRequest("the body is not " + strictData)
	}
	var patch map[string]any
	if err := decodeData(data, &patch); err != nil {
		return nil, err
	}
	plainNumbers(patch)
	return patch, nil
}

// ifMatch is the version that the caller knows; that of the cookie if it does
// not say.
func ifMatch(r *http.Request, held uint32) (uint64, error) {
	given, there := r.Header["If-Match"]
	if !there {
		return uint64(held), nil
	}
	tag := strings.Join(given, ", ")
	if tag == "*" {
		return anyVersion, nil
	}
	digits, ok := strings.CutPrefix(tag, `"`)
	digits, ok2 := strings.CutSuffix(digits, `"`)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || !ok2 || err != nil || strings.HasPrefix(digits, "+") {
		return 0, invalidRequest(`If-Match must be the ETag of the session, such as "7", or *`)
	}
	return n, nil
}

// changeData makes the change on what there is now, and its answer before that:
// what does not fit is not done. It returns nil where somebody else came first.
func (s *Service) changeData(ctx context.Context, c *dataCaller, patch map[string]any, from uint64, base http.Header) (*reply, error) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(patch)), func(n string) bool { return n == DataHead || len(n) > MaxCellName })
	v, err := s.readData(ctx, c.claims.SessionID, c.held, names, c.now)
	if err != nil {
		return nil, err
	}
	names = s.outside(v, names)
	fields, changed, err := s.merged(v, names, patch, from)
	if err != nil {
		return nil, err
	}
	if changed {
		data, err := v.state.json()
		if err != nil {
			return nil, err
		}
		if data != nil && !tokens.IsStrictObject(data) {
			return nil, invalidRequest("with this change the data would not be " + strictData)
		}
		if err := s.allowed(&c.claims, v.state.Data); err != nil {
			return nil, err
		}
	}
	p, err := s.sessionReply(&c.claims, c.held, v.state, c.now)
	if err != nil || !changed {
		return p, err
	}
	next, err := s.refreshed(c, v.state)
	if err == nil {
		err = s.judge(next, base)
	}
	if err != nil {
		return nil, err
	}
	written, err := s.writeData(ctx, c.claims.SessionID, v, fields, c.held.SessionEnd, c.now)
	if err != nil || !written {
		return nil, err
	}
	return p, nil
}

// merged applies the patch to a view, and returns the cells to be written.
func (s *Service) merged(v *dataView, names []string, patch map[string]any, from uint64) (fields map[string][]byte, changed bool, err error) {
	if err := v.unfold(names); err != nil {
		return nil, false, err
	}
	m := merge{state: v.state, base: uint32(min(from, math.MaxUint32))}
	m.apply(patch)
	switch {
	case m.conflict != "":
		return nil, false, versionConflict(m.conflict, m.at)
	case from != anyVersion && from > uint64(v.state.Version):
		return nil, false, versionConflict("", v.state.Version) // what the caller knows is lost
	case len(m.changed) > 0 && v.state.Version == math.MaxUint32:
		return nil, false, versionConflict("", v.state.Version)
	}
	if len(m.changed) > 0 {
		v.state.commit(m.changed)
	}
	fields, err = s.fold(v, names, m.changed)
	return fields, len(m.changed) > 0, err
}

func versionConflict(path string, at uint32) error {
	detail := fmt.Sprintf("the session is at version %d", at)
	if path != "" {
		detail = fmt.Sprintf("%s was changed by version %d", quote(strings.ReplaceAll(strings.TrimSuffix(path, dataPath), dataPath, ".")), at)
	}
	return &problem{status: 412, code: openapi.ProblemCodeVersionConflict, title: "The session has been changed meanwhile", detail: detail}
}

// refreshed is what a refresh of a session with such data is answered, at its longest.
// A change is held against that and not against its own answer, which has one cookie
// less: a session whose refresh does not fit ends with its access token.
func (s *Service) refreshed(c *dataCaller, state *dataState) (*reply, error) {
	data, err := state.json()
	if err != nil {
		return nil, err
	}
	g := &grant{claims: c.claims, end: c.held.SessionEnd, cookie: true, data: data, version: state.Version}
	g.idleEnd = earlier(c.now.Add(s.cfg.IdleTTL).Truncate(time.Second), g.end)
	g.claims.ExpiresAt = earlier(c.now.Add(s.cfg.AccessTTL).Truncate(time.Second), g.end)
	g.refresh = &tokens.Refresh{
		SessionID: c.claims.SessionID, IssuedAt: c.now.UnixMilli(), Subject: c.claims.Subject, ClientID: loginClient,
		Audience: c.claims.Audience, AuthTime: c.claims.AuthTime, IdleEnd: g.idleEnd, SessionEnd: g.end, Cookie: true,
	}
	return s.reply(g, c.now)
}
