package storm

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/tokens"
)

// theft is a refresh token that somebody else has got hold of.
type theft struct {
	*network
	owner, thief *jar
	lags         []time.Duration // from the verdict until each verifier refuses the session
}

func (s *network) steal(k kind) *theft {
	owner := s.newJar(k)
	return &theft{network: s, owner: owner, thief: &jar{kind: k, raw: owner.raw, is: owner.is}}
}

// afterOwner uses the stolen token when its owner has replaced it, once or
// twice, and the grace is over.
func (f *theft) afterOwner() error {
	for range 1 + mathrand.IntN(2) {
		if err := f.goOn(f.owner); err != nil {
			return err
		}
		f.pastGraceOf(f.owner)
	}
	return f.caught(f.thief, f.owner)
}

// beforeOwner uses it first; the owner comes when the grace is over.
func (f *theft) beforeOwner() error {
	for range 1 + mathrand.IntN(2) {
		if err := f.goOn(f.thief); err != nil {
			return err
		}
		f.pastGraceOf(f.thief)
	}
	return f.caught(f.owner, f.thief)
}

// goOn comes to the successor. An answer without the store is none.
func (f *theft) goOn(j *jar) error {
	status, reason := f.refreshWithStore(j)
	if status != http.StatusOK || j.tried {
		return fmt.Errorf("before the theft shows: %d %s", status, reason)
	}
	return nil
}

// refreshWithStore refreshes until the store was asked.
func (f *theft) refreshWithStore(j *jar) (status int, reason string) {
	status, reason = f.refresh(j)
	for began := time.Now(); status == http.StatusOK && j.tried && time.Since(began) < patience; {
		status, reason = f.refresh(j)
	}
	return status, reason
}

func (f *theft) pastGraceOf(j *jar) {
	is, _ := j.holds()
	time.Sleep(time.Until(time.UnixMilli(is.issuedAt).Add(f.grace + 20*time.Millisecond)))
}

// caught has the older token presented while the verifiers serve the newer one,
// and waits until each of them has ended that. If the store had given no answer
// when the newer one was made, nobody could tell whether it had arrived, so the
// older one is good until the newer one is used: then both hold that one, and
// whoever comes after it has been replaced is caught.
func (f *theft) caught(older, newer *jar) error {
	before, _ := older.holds()
	_, access := newer.holds()
	var ends []<-chan any
	for _, v := range f.guards {
		ends = append(ends, v.open(newer.kind, access))
	}
	status, reason := f.refreshWithStore(older)
	if now, _ := older.holds(); status == http.StatusOK && now != before {
		f.count(func(n *tally) { n.unclaimed++ })
		if status, reason = f.refreshWithStore(newer); status == http.StatusOK {
			f.pastGraceOf(newer)
			status, reason = f.refreshWithStore(older)
		}
	}
	if status != http.StatusUnauthorized {
		return fmt.Errorf("the older token is answered %d %s", status, reason)
	}
	return f.ended(older.is.sid, ends)
}

// ended waits until every verifier has ended the session, and notes how long
// after the verdict that was.
func (f *theft) ended(sid tokens.ID, ends []<-chan any) error {
	verdict, ok := f.alarms.of(sid)
	for began := time.Now(); !ok && time.Since(began) < patience; { // the other replica has made it, of the same request
		time.Sleep(time.Millisecond)
		verdict, ok = f.alarms.of(sid)
	}
	if !ok {
		return fmt.Errorf("no alarm")
	}
	for i, end := range ends {
		switch at := (<-end).(type) {
		case time.Time:
			f.lags = append(f.lags, at.Sub(verdict.at))
		case error:
			return fmt.Errorf("verifier %d: %w", i, at)
		}
	}
	return nil
}

// percentile of sorted durations.
func percentile(all []time.Duration, p int) time.Duration {
	return all[(len(all)-1)*p/100].Round(100 * time.Microsecond)
}

func sorted(all []time.Duration) []time.Duration {
	slices.Sort(all)
	return all
}
