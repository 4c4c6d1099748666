package authsvc

import (
	"fmt"
	"net/http"
)

// SessionField implements openapi.ServerInterface.
func (a *publicAPI) SessionField(w http.ResponseWriter, r *http.Request, field string) {
	s := (*Service)(a)
	p, err := s.sessionField(r, field)
	s.finish(w, r, p, err)
}

func (s *Service) sessionField(r *http.Request, field string) (*reply, error) {
	c, err := s.dataCaller(r)
	if err != nil {
		return nil, err
	}
	if field == DataHead || len(field) > MaxCellName {
		return nil, errNotFound
	}
	ctx, cancel := s.storeContext(r.Context())
	defer cancel()
	v, err := s.readData(ctx, c.claims.SessionID, c.held, []string{field}, c.now)
	if err != nil {
		return nil, err
	}
	content, there := v.cells[field]
	if !there {
		return nil, errNotFound
	}
	p := newReply(http.StatusOK)
	p.header.Set("Content-Type", "application/json")
	p.header.Set("ETag", fmt.Sprintf(`"%d"`, v.state.changedAt(field+dataPath)))
	p.body = append(content, '\n')
	return p, nil
}
