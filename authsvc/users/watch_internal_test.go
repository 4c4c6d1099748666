package users

import (
	"slices"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
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
		if got, _ := compare(c.old, c.now); !slices.Equal(sorted(got), sorted(c.want)) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestWhoseSessionsAreOver(t *testing.T) {
	cheap, dear := Params{Memory: 64, Time: 1, Lanes: 1}, Params{Memory: 64, Time: 2, Lanes: 1}
	once, twice := time.Unix(1_000_000, 0), time.Unix(2_000_000, 0)
	old := record{Subject: "ann", Username: "ann", PasswordSet: once}
	old.setHash(newHash("correct horse", cheap))
	with := func(edit func(*record)) []record {
		r := old
		edit(&r)
		return []record{r}
	}
	ann := func(at time.Time) []authsvc.Ending { return []authsvc.Ending{{Subject: "ann", At: at}} }
	for name, c := range map[string]struct {
		now  []record
		want []authsvc.Ending
	}{
		"unchanged":                     {with(func(*record) {}), nil},
		"other roles":                   {with(func(r *record) { r.Roles = []string{"x"} }), nil},
		"a new password":                {with(func(r *record) { r.setHash(newHash("battery staple", cheap)); r.PasswordSet = twice }), ann(twice)},
		"a new password, at a new cost": {with(func(r *record) { r.setHash(newHash("battery staple", dear)); r.PasswordSet = twice }), ann(twice)},
		"another password, by hand":     {with(func(r *record) { r.setHash(newHash("battery staple", cheap)) }), ann(time.Time{})},
		"the hash at a new cost":        {with(func(r *record) { r.setHash(newHash("correct horse", dear)) }), nil},
		"disabled":                      {with(func(r *record) { r.Disabled = true }), ann(time.Time{})},
		"gone":                          {nil, ann(time.Time{})},
		"another of that name":          {with(func(r *record) { r.Subject = "new" }), ann(time.Time{})},
	} {
		table := func(records []record) userTable {
			made, err := newUserTable(records)
			if err != nil {
				t.Fatal(err)
			}
			return made
		}
		if _, got := compare(table([]record{old}), table(c.now)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	disabled := with(func(r *record) { r.Disabled = true })
	was, _ := newUserTable(disabled)
	is, _ := newUserTable([]record{old})
	if _, got := compare(was, is); got != nil {
		t.Errorf("enabled again: %v", got)
	}
}

// Who waits is let go as soon as everything was told, and not before.
func TestNewsAreToldOnce(t *testing.T) {
	n := news{wake: make(chan struct{}, 1)}
	n.add(nil, []authsvc.Ending{{Subject: "ann"}})
	waiting := n.telling
	told := 0
	tell := Watcher{Ended: func(e []authsvc.Ending) error {
		if told += len(e); told == 1 {
			n.add(nil, []authsvc.Ending{{Subject: "bob"}}) // meanwhile
		}
		return nil
	}}
	n.tell(tell)
	select {
	case <-waiting:
		t.Error("let go before everything was told")
	default:
	}
	n.tell(tell)
	select {
	case <-waiting:
	default:
		t.Error("not let go")
	}
	if n.tell(tell); told != 2 || n.telling != nil {
		t.Errorf("told %d times", told)
	}
}
