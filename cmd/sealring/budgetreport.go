package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sealring-dev/sealring/tokens/budget"
)

// budgetReport is what one session came to.
type budgetReport struct {
	File     string        `json:"file"`
	Fits     bool          `json:"fits"`
	Fault    string        `json:"fault,omitempty"` // why nothing could be counted
	Claims   []claimBytes  `json:"claims"`          // the biggest first
	Readings []readingView `json:"readings"`        // one for each limit

	compared bool
	taken    []budget.Reading // what Readings shows
}

type claimBytes struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
	Added *int   `json:"added,omitempty"` // since what it was compared with
}

type readingView struct {
	Profile string         `json:"profile"`
	Measure budget.Measure `json:"measure"`
	Counted string         `json:"counted"`
	Bytes   int            `json:"bytes"`
	Limit   int            `json:"limit"`
	Left    int            `json:"left"`
	Added   *int           `json:"added,omitempty"`
	Source  string         `json:"source"`
}

func newBudgetReport(file string, parts []budget.Part) *budgetReport {
	r := &budgetReport{File: file, Claims: []claimBytes{}, Readings: []readingView{}}
	for _, p := range parts {
		r.Claims = append(r.Claims, claimBytes{Name: p.Name, Bytes: p.Bytes})
	}
	r.sort()
	return r
}

func (r *budgetReport) sort() {
	slices.SortStableFunc(r.Claims, func(a, b claimBytes) int { return cmp.Compare(b.Bytes, a.Bytes) })
}

func (r *budgetReport) read(readings []budget.Reading) {
	r.Fits, r.taken = budget.Judge(readings, nil) == nil, readings
	for _, v := range readings {
		r.Readings = append(r.Readings, readingView{
			Profile: v.Limit.Profile, Measure: v.Limit.Measure, Counted: v.What,
			Bytes: v.Bytes, Limit: v.Limit.Bytes, Left: v.Left(), Source: v.Limit.Source,
		})
	}
}

// compare notes what there is more, or less, than before. Both were read under
// the same limits, if they could be.
func (r *budgetReport) compare(before *budgetReport) {
	if before == nil {
		return
	}
	r.compared = true
	for i := range r.Claims {
		was := 0
		if j := slices.IndexFunc(before.Claims, func(c claimBytes) bool { return c.Name == r.Claims[i].Name }); j >= 0 {
			was = before.Claims[j].Bytes
		}
		added := r.Claims[i].Bytes - was
		r.Claims[i].Added = &added
	}
	for i := range min(len(r.Readings), len(before.Readings)) {
		added := r.Readings[i].Bytes - before.Readings[i].Bytes
		r.Readings[i].Added = &added
	}
}

// tightest is, of each profile, the reading that has the least left.
func (r *budgetReport) tightest() (list []readingView) {
	for from := 0; from < len(r.taken); {
		to := from + 1
		for to < len(r.taken) && r.taken[to].Limit.Profile == r.taken[from].Limit.Profile {
			to++
		}
		list = append(list, r.view(budget.Tightest(r.taken[from:to])))
		from = to
	}
	return list
}

// least is the tightest of all.
func (r *budgetReport) least() readingView { return r.view(budget.Tightest(r.taken)) }

func (r *budgetReport) view(of budget.Reading) readingView {
	return r.Readings[slices.Index(r.taken, of)]
}

// over is nil for a session that fits.
func (r *budgetReport) over() error {
	switch {
	case r.Fits:
		return nil
	case r.Fault != "":
		return fmt.Errorf("%s is %w: %s", r.File, errOver, r.Fault)
	}
	v := r.least()
	return fmt.Errorf("%s is %w: %s is %d bytes, the limit is %d (%s)", r.File, errOver, v.Counted, v.Bytes, v.Limit, v.Profile)
}
