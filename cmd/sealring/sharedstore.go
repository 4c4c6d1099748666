package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/sealring-dev/sealring/authsvc/boltstore"
	"github.com/sealring-dev/sealring/authsvc/redisstore"
)

// sharedStore is what the replicas of the auth service remember together.
type sharedStore struct {
	log      *redisstore.Log
	sessions *redisstore.Sessions
	data     *redisstore.Data
}

// openShared opens the shared store over this replica's own one, which is its
// journal. A Redis that is away is no error: the service begins with what the
// journal holds.
func openShared(client redis.UniversalClient, journal *boltstore.Store, s *settings, log *slog.Logger) (*sharedStore, error) {
	st := new(sharedStore)
	var err error
	st.log, err = redisstore.OpenLog(context.Background(), redisstore.LogConfig{Client: client, Journal: journal, Sessions: s.RedisSessions, AdoptLost: s.adopts(), Logger: log})
	if err != nil {
		return nil, fmt.Errorf("opening the shared store: %w", err)
	}
	if st.sessions, err = st.log.Sessions(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the shared store: %w", err), st.close())
	}
	if st.data, err = st.log.Data(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the shared store: %w", err), st.close())
	}
	return st, nil
}

func (st *sharedStore) close() error { return st.log.Close() }
