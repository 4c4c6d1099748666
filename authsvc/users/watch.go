package users

import (
	"context"
	"slices"
	"sync"
	"time"
)

// watchEvery is how soon a change of the file is noticed while nobody logs in
// or refreshes.
const watchEvery = 250 * time.Millisecond

// Watch calls changed with the subjects whose roles or scopes have changed in
// the file, whoever has written it, until ctx ends: their access tokens say
// what is not true any more. Lookup gives the new ones before changed is
// called, and where changed fails it is called again. A subject that is new, or
// gone, is not among them, and neither is one whose account was disabled:
// refreshes find out.
//
// It begins with the file as it was opened. What was changed before is not
// noticed; the tokens that say the old roles are gone after an access_ttl.
func (f *UserFile) Watch(ctx context.Context, changed func(subjects []string) error) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f.file.get()
		if subjects := f.restated.take(); len(subjects) > 0 && changed(subjects) != nil {
			f.restated.add(subjects)
		}
	}
}

// restated is of whom tokens say something else than the file does, since they
// were last taken. It is noted between each two copies of the file that were
// read here, so that none from which a token was made is left out.
type restated struct {
	mu       sync.Mutex
	subjects []string // sorted
}

func (r *restated) note(old, now userTable) { r.add(differing(old, now)) }

func (r *restated) add(subjects []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subjects = sorted(append(r.subjects, subjects...))
}

func (r *restated) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.subjects
	r.subjects = nil
	return all
}

// differing returns the subjects of both tables of whom tokens would say
// something else.
func differing(old, now userTable) (subjects []string) {
	for i := range now.records {
		r := &now.records[i]
		j, was := old.bySubject[r.Subject]
		if was && !(sameSet(old.records[j].Roles, r.Roles) && sameSet(old.records[j].Scopes, r.Scopes)) {
			subjects = append(subjects, r.Subject)
		}
	}
	return subjects
}

// sameSet compares without regard to the order, which means nothing.
func sameSet(a, b []string) bool { return slices.Equal(sorted(a), sorted(b)) }

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
