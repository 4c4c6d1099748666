package users

import (
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// userTable is the content of a user file: immutable, indexed by name.
type userTable struct {
	records   []record // in the order of the file
	byName    map[string]int
	bySubject map[string]int
}

// record is one user as written.
type record struct {
	Subject  string    `json:"subject"`
	Username string    `json:"username"`
	Password string    `json:"password"` // PHC string
	Roles    []string  `json:"roles,omitempty"`
	Scopes   []string  `json:"scopes,omitempty"`
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
	// PasswordSet is when the password was last set by SetPassword; absent: never.
	// It tells a new password from a hash that was only made anew.
	PasswordSet time.Time `json:"password_set,omitzero"`

	hash hash // Password, parsed
}

// userDocument is the file: the version is for whoever must change the form.
type userDocument struct {
	Version int      `json:"version"`
	Users   []record `json:"users"`
}

const fileVersion = 1

func parseUsers(raw []byte) (userTable, error) {
	var doc userDocument
	if err := decodeStrict(raw, &doc); err != nil {
		return userTable{}, err
	}
	if doc.Version != fileVersion {
		return userTable{}, fmt.Errorf("%w: version %d, this program knows %d", ErrDamaged, doc.Version, fileVersion)
	}
	for i := range doc.Users {
		if err := doc.Users[i].check(); err != nil {
			return userTable{}, fmt.Errorf("%w: user %d: %w", ErrDamaged, i+1, err)
		}
	}
	t, err := newUserTable(doc.Users)
	if err != nil {
		return userTable{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return t, nil
}

func showUsers(t userTable) any {
	return userDocument{fileVersion, append([]record{}, t.records...)}
}

// newUserTable indexes the records and refuses two of one name or subject.
func newUserTable(records []record) (userTable, error) {
	t := userTable{records, make(map[string]int, len(records)), make(map[string]int, len(records))}
	for i, rec := range records {
		if _, twice := t.byName[rec.Username]; twice {
			return userTable{}, fmt.Errorf("username %q: %w", rec.Username, ErrExists)
		}
		if _, twice := t.bySubject[rec.Subject]; twice {
			return userTable{}, fmt.Errorf("subject %q: %w", rec.Subject, ErrExists)
		}
		t.byName[rec.Username], t.bySubject[rec.Subject] = i, i
	}
	return t, nil
}

// index finds a user by name, in whatever case it is given.
func (t userTable) index(username string) (int, error) {
	name, err := CanonicalName(username)
	if err != nil {
		return 0, err
	}
	i, ok := t.byName[name]
	if !ok {
		return 0, notFound(username)
	}
	return i, nil
}

func newRecord(u authsvc.User, now time.Time) (record, error) {
	name, err := CanonicalName(u.Username)
	if err != nil {
		return record{}, err
	}
	rec := record{
		Subject: u.Subject, Username: name,
		Roles: slices.Clone(u.Roles), Scopes: slices.Clone(u.Scopes),
		Disabled: u.Disabled, Created: now.UTC().Truncate(time.Second),
	}
	if rec.Subject == "" {
		rec.Subject = newSubject()
	}
	return rec, rec.checkNames()
}

// check is for a record that comes from disk, where anybody may have edited.
func (r *record) check() error {
	name, err := CanonicalName(r.Username)
	if err != nil {
		return err
	}
	if name != r.Username {
		return fmt.Errorf("%w: username %q is not in lower case", ErrName, r.Username)
	}
	if r.hash, err = parsePHC(r.Password); err != nil {
		return err
	}
	return r.checkNames()
}

func (r *record) checkNames() error {
	if len(r.Subject) > 255 {
		return fmt.Errorf("%w: a subject is 1 to 255 characters", ErrName)
	}
	if err := checkGraphic("subject", r.Subject); err != nil {
		return err
	}
	if err := checkTokens("role", r.Roles); err != nil {
		return err
	}
	return checkTokens("scope", r.Scopes)
}

func (r *record) setHash(h hash) { r.hash, r.Password = h, h.String() }

func (r *record) account() Account {
	return Account{
		User: authsvc.User{
			Subject: r.Subject, Username: r.Username,
			Roles: slices.Clone(r.Roles), Scopes: slices.Clone(r.Scopes), Disabled: r.Disabled,
		},
		Created: r.Created,
	}
}
