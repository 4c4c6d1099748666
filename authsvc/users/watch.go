package users

import (
	"context"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// watchEvery is how soon a change of the file is noticed while nobody logs in
// or refreshes.
const watchEvery = 250 * time.Millisecond

// Watcher hears of changes of a user file. Where one of its functions fails it
// is called again, with what has changed meanwhile.
type Watcher struct {
	// Restated gets the subjects whose roles or scopes have changed: their
	// access tokens say what is not true any more.
	Restated func(subjects []string) error
	// Ended gets the subjects whose sessions shall end: they were disabled or
	// removed, or have another password. Of a password that was set by
	// SetPassword the time is known, and sessions that began with the new one
	// are not meant.
	Ended func(ends []authsvc.Ending) error
}

// Watch tells of changes of the file, whoever has written it, until ctx ends.
// Lookup and Authenticate follow the new file before w hears of it, and a login
// waits, for a second at most, until the ending of the sessions before it has
// been told. A subject that is new is of no interest.
//
// A password is another one when SetPassword says so, and also when its hash is
// another one of the same cost: a hash of another cost is what logins make of
// the same password (see Config.Params).
//
// It begins with the file as it was opened. What was changed before is not
// noticed: refreshes find out who is disabled or gone, and tokens that say old
// roles are gone after an access_ttl.
func (f *UserFile) Watch(ctx context.Context, w Watcher) {
	f.news.watched(true)
	defer f.news.watched(false)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.news.wake:
		}
		f.file.get()
		f.news.tell(w)
	}
}

// compare returns the subjects of both tables of whom tokens would say
// something else, and those whose sessions are over.
func compare(old, now userTable) (restated []string, ended []authsvc.Ending) {
	for i := range old.records {
		was := &old.records[i]
		j, there := now.bySubject[was.Subject]
		switch {
		case !there:
			ended = append(ended, authsvc.Ending{Subject: was.Subject})
			continue
		case !was.Disabled && now.records[j].Disabled:
			ended = append(ended, authsvc.Ending{Subject: was.Subject})
		case !now.records[j].PasswordSet.Equal(was.PasswordSet):
			ended = append(ended, authsvc.Ending{Subject: was.Subject, At: now.records[j].PasswordSet})
		case now.records[j].Password != was.Password && now.records[j].hash.Params == was.hash.Params:
			ended = append(ended, authsvc.Ending{Subject: was.Subject})
		}
		if is := &now.records[j]; !sameSet(was.Roles, is.Roles) || !sameSet(was.Scopes, is.Scopes) {
			restated = append(restated, was.Subject)
		}
	}
	return restated, ended
}

// sameSet compares without regard to the order, which means nothing.
func sameSet(a, b []string) bool { return slices.Equal(sorted(a), sorted(b)) }

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
