package budget

import (
	"fmt"
	"slices"
	"strings"
)

// Portable is the name of the profile that a session should fit: every limit of
// every profile.
const Portable = "portable"

// Profile is the limits of one browser, proxy or server, or of several.
type Profile struct {
	Name   string
	Title  string // the program, with the version that was measured
	Limits []Limit
}

// Limit is a number of bytes that a program takes, and no more.
type Limit struct {
	Profile    string // whose it is
	Measure    Measure
	Bytes      int // the most that passes
	PerLine    int // what each header line counts beyond its bytes
	Source     string
	Documented bool // by the vendor, and no program was asked
}

// Profiles are those of single programs, in the order in which a message names
// the first that is broken: what is lost without a word comes first.
func Profiles() []Profile {
	all := make([]Profile, len(known))
	for i, p := range known {
		all[i] = p
		all[i].Limits = slices.Clone(p.Limits)
		for j := range all[i].Limits {
			all[i].Limits[j].Profile = p.Name
		}
	}
	return all
}

// Find returns the profile of that name, or of several as one, with the
// browsers' in any case: whatever stands in between, there is one.
func Find(names ...string) (Profile, error) {
	for _, name := range names {
		if name != Portable && !slices.ContainsFunc(known, func(p Profile) bool { return p.Name == name }) {
			return Profile{}, fmt.Errorf("no profile %q: there are %s", name, strings.Join(Names(), ", "))
		}
	}
	found := Profile{Name: strings.Join(names, ",")}
	for _, p := range Profiles() {
		if p.Name == browsers || slices.Contains(names, p.Name) || slices.Contains(names, Portable) {
			found.Limits = append(found.Limits, p.Limits...)
		}
	}
	return found, nil
}

// Names are the names that Find knows.
func Names() []string {
	names := []string{Portable}
	for _, p := range known {
		names = append(names, p.Name)
	}
	return names
}
