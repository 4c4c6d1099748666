package storm

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"time"
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

func (f *theft) goOn(j *jar) error {
	if status, reason := f.refresh(j); status != http.StatusOK {
		return fmt.Errorf("before the theft shows: %d %s", status, reason)
	}
	return nil
}

func (f *theft) pastGraceOf(j *jar) {
	is, _ := j.holds()
	time.Sleep(time.Until(time.UnixMilli(is.issuedAt).Add(f.grace + 20*time.Millisecond)))
}

// caught has the older token presented, and waits until every verifier has
// ended the session of the other one.
func (f *theft) caught(older, newer *jar) error {
	_, access := newer.holds()
	var ends []<-chan any
	for _, v := range f.guards {
		ends = append(ends, v.open(newer.kind, access))
	}
	status, reason := f.refresh(older)
	for began := time.Now(); status == http.StatusOK && older.tried && time.Since(began) < patience; { // without the store
		status, reason = f.refresh(older)
	}
	if status != http.StatusUnauthorized {
		return fmt.Errorf("the older token is answered %d %s", status, reason)
	}
	verdict, ok := f.alarms.of(older.is.sid)
	for began := time.Now(); !ok && time.Since(began) < patience; { // the other replica has made it, of the same request
		time.Sleep(time.Millisecond)
		verdict, ok = f.alarms.of(older.is.sid)
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
