package authsvc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
)

// In the store everything is sealed with the keys that seal refresh tokens, which
// never leave the service; with the session and the name of its cell, so
// that nothing is right in another place. What is sealed with such a key can be
// opened for as long as a session may idle, so whatever the store has of a
// session is sealed anew at its first refresh with another key.

// dataView is the data of a session, as store and cookie have it together.
type dataView struct {
	head  []byte // as it was read
	state *dataState
	cells map[string][]byte // opened, of the names that were asked for; only what is there
}

// readData reads the data of a session: head and the named fields.
func (s *Service) readData(ctx context.Context, sid tokens.ID, held *tokens.Session, names []string, now time.Time) (*dataView, error) {
	carried, err := carriedState(held)
	if err != nil {
		return nil, err // it was found well-formed on opening: a fault of ours
	}
	v := &dataView{state: carried, cells: map[string][]byte{}}
	cells, err := s.cfg.Data.Read(ctx, sid, append([]string{DataHead}, names...)...)
	if err != nil {
		return nil, unavailable(fmt.Errorf("reading the data of a session: %w", err))
	}
	if v.head = cells[0]; v.head == nil {
		return v, nil
	}
	kept, err := s.openHead(sid, v.head, now)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		v.state = newer(kept, carried)
	}
	for i, name := range names {
		if !slices.Contains(v.state.Stored, name) {
			continue
		}
		content, err := s.openCell(sid, name, cells[i+1], now)
		if err != nil {
			return nil, err
		}
		if content != nil {
			v.cells[name] = content
		}
	}
	return v, nil
}

// newer is the newer of what is kept and what a cookie carries. A cookie does not
// know which of its fields are pointers.
func newer(kept, carried *dataState) *dataState {
	if kept.Version >= carried.Version {
		return kept
	}
	for _, name := range kept.Stored {
		if _, there := carried.Data[name]; there {
			carried.Stored = append(carried.Stored, name)
		}
	}
	return carried
}

func (s *Service) openHead(sid tokens.ID, head []byte, now time.Time) (*dataState, error) {
	content, err := s.openCell(sid, DataHead, head, now)
	if content == nil || err != nil {
		return nil, err
	}
	state := new(dataState)
	if err := decodeData(content, state); err != nil {
		return nil, fmt.Errorf("reading the data of a session: %w", err)
	}
	return state, nil
}

// openCell opens a cell; nil if there is none, or it can not be opened any more:
// its key was lost or burnt, or it was made by somebody else.
func (s *Service) openCell(sid tokens.ID, name string, cell []byte, now time.Time) ([]byte, error) {
	if cell == nil {
		return nil, nil
	}
	plain, err := tokens.Open(tokens.TypData, string(cell), s.hub, now)
	switch {
	case errors.Is(err, keys.ErrUnavailable):
		return nil, unavailable(err)
	case err != nil:
		s.log.Warn("the store has data of a session that can not be opened", "cause", err)
		return nil, nil
	}
	content, ok := bytes.CutPrefix(plain, cellPrefix(sid, name))
	if !ok {
		s.log.Warn("the store has data of a session in the place of other data")
		return nil, nil
	}
	return content, nil
}

func (s *Service) sealCell(sid tokens.ID, name string, content []byte, now time.Time) ([]byte, error) {
	key, err := s.sealer(&grant{}, keys.RefreshToken, now)
	if err != nil {
		return nil, err
	}
	sealed, err := tokens.Seal(tokens.TypData, append(cellPrefix(sid, name), content...), key)
	if err != nil {
		return nil, fmt.Errorf("sealing the data of a session: %w", err)
	}
	return []byte(sealed), nil
}

func cellPrefix(sid tokens.ID, name string) []byte {
	return append(append(slices.Clone(sid[:]), byte(len(name))), name...)
}

// writeData puts the view's state and some fields, nil to remove one, into the
// store, unless somebody has changed it since it was read.
func (s *Service) writeData(ctx context.Context, sid tokens.ID, v *dataView, fields map[string][]byte, end, now time.Time) (bool, error) {
	head, err := encodeData(v.state)
	if err != nil {
		return false, err
	}
	cells := map[string][]byte{}
	if cells[DataHead], err = s.sealCell(sid, DataHead, head, now); err != nil {
		return false, err
	}
	for name, content := range fields {
		cells[name] = nil
		if content == nil {
			continue
		}
		if cells[name], err = s.sealCell(sid, name, content, now); err != nil {
			return false, err
		}
	}
	written, err := s.cfg.Data.Write(ctx, sid, v.head, cells, end.Add(s.slack()))
	if err != nil {
		return false, unavailable(fmt.Errorf("writing the data of a session: %w", err))
	}
	return written, nil
}
