package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/issuer"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// peerEvery is how often a peer looks whether it is needed.
const peerEvery = 500 * time.Millisecond

// maxHeard bounds what is kept of a peer's feed between two looks; beyond it
// its whole list is asked.
const maxHeard = 10_000

// peer is another replica, whose feed is followed as any verifier's is: while
// the store that the replicas share is away, what it revokes is learnt here.
type peer struct {
	feed  *issuer.Follower
	learn func(context.Context, []revocation.Entry) error
	away  func() bool // whether the shared store is
	log   *slog.Logger
	news  chan struct{}

	mu    sync.Mutex
	heard []revocation.Entry
	all   bool // heard is not enough
}

// checkPeers refuses peers that can not work.
func (s *settings) checkPeers() error {
	switch {
	case len(s.Peers) == 0:
		return nil
	case !s.shared():
		return errors.New("peers is set, but replicas share nothing without redis: set it too")
	case s.ClientID == "" || s.ClientSecret == "":
		return errors.New("peers is set, but not as whom to follow their feeds: set client_id and client_secret, of a client that has the scope feed")
	}
	return nil
}

// watchPeers follows the other replicas until ctx ends.
func (d *daemon) watchPeers(ctx context.Context, s *settings) error {
	var following sync.WaitGroup
	defer following.Wait()
	for _, url := range s.Peers {
		url = strings.TrimRight(url, "/")
		feed, err := issuer.Follow(ctx, issuer.Config{
			Issuer: s.Issuer, Feed: url, Log: d.log.With("peer", url),
			Client: issuer.Client{ID: s.ClientID, Secret: tokens.Secret(s.ClientSecret)},
		})
		if err != nil {
			return err
		}
		p := &peer{feed: feed, learn: d.service.Learn, away: d.shared.log.Away, log: d.log.With("peer", url), news: make(chan struct{}, 1)}
		following.Go(func() {
			defer feed.Close()
			p.run(ctx)
		})
	}
	return nil
}

func (p *peer) run(ctx context.Context) {
	defer p.feed.Subscribe(p.hear)()
	needed := false
	look := time.NewTicker(peerEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		case <-p.news:
		}
		heard, all := p.take()
		if !p.away() {
			needed = false
			continue
		}
		if !needed || all { // from now on, or once more, from the beginning
			heard = p.feed.Revocations().Entries(time.Now())
		}
		needed = true
		if err := p.learn(ctx, heard); err != nil && ctx.Err() == nil {
			p.log.Error("learning from another replica", "err", err)
			needed = false // all of it again
		}
	}
}

// hear keeps what a frame has brought.
func (p *peer) hear(entries []revocation.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.heard)+len(entries) > maxHeard {
		p.heard, p.all = nil, true
	} else {
		p.heard = append(p.heard, entries...)
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *peer) take() (heard []revocation.Entry, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	heard, all = p.heard, p.all
	p.heard, p.all = nil, false
	return heard, all
}
