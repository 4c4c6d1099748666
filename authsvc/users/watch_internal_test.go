package users

import (
	"slices"
	"testing"
)

func TestWhoseTokensSaySomethingElse(t *testing.T) {
	table := func(records ...record) userTable {
		for i := range records {
			records[i].Username = "name-of-" + records[i].Subject
		}
		made, err := newUserTable(records)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	ann := record{Subject: "ann", Roles: []string{"x", "y"}, Scopes: []string{"s", "t"}}
	with := func(edit func(*record)) record {
		r := ann
		edit(&r)
		return r
	}
	bob := record{Subject: "bob"}
	for name, c := range map[string]struct {
		old, now userTable
		want     []string
	}{
		"nobody":           {table(), table(), nil},
		"unchanged":        {table(ann, bob), table(ann, bob), nil},
		"in another order": {table(ann, bob), table(bob, with(func(r *record) { r.Roles, r.Scopes = []string{"y", "x"}, []string{"t", "s", "t"} })), nil},
		"a role more":      {table(ann, bob), table(bob, with(func(r *record) { r.Roles = []string{"x", "y", "z"} })), []string{"ann"}},
		"a role less":      {table(ann, bob), table(with(func(r *record) { r.Roles = []string{"x"} }), bob), []string{"ann"}},
		"another role":     {table(ann), table(with(func(r *record) { r.Roles = []string{"x", "z"} })), []string{"ann"}},
		"another scope":    {table(ann), table(with(func(r *record) { r.Scopes = nil })), []string{"ann"}},
		"both":             {table(ann, bob), table(record{Subject: "bob", Roles: []string{"x"}}, record{Subject: "ann"}), []string{"bob", "ann"}},
		"a disabled one":   {table(ann), table(with(func(r *record) { r.Disabled = true })), nil},
		"a new one":        {table(bob), table(bob, ann), nil},
		"one who is gone":  {table(bob, ann), table(bob), nil},
	} {
		if got := differing(c.old, c.now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
