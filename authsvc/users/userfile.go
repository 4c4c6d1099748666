package users

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/sealring-dev/sealring/authsvc"
)

// UserFile is a file of people. It implements authsvc.Users, and is safe for
// use by several goroutines and, for its changes, by several processes.
type UserFile struct {
	cfg   Config
	file  *file[userTable]
	news  news
	slots slots
	dummy hash
}

// Account is a user as the file has it, without the password.
type Account struct {
	authsvc.User
	Created time.Time // whole seconds, UTC
}

// OpenUsers opens the user file at path. It is an error if the file is
// damaged (ErrDamaged, ErrHash), or open to group or others (ErrPermissions);
// a file that does not exist holds no users yet.
func (c Config) OpenUsers(path string) (*UserFile, error) {
	c = c.withDefaults()
	if !c.Params.usable() {
		return nil, fmt.Errorf("opening %s: %w: parameters out of bounds", path, ErrHash)
	}
	f, err := openFile(path, c.Log, parseUsers, showUsers)
	if err != nil {
		return nil, err
	}
	u := &UserFile{cfg: c, file: f, slots: newSlots(c.Slots, c.Queue), dummy: dummyHash(c.Params)}
	u.news.wake = make(chan struct{}, 1)
	f.replaced = u.news.note
	return u, nil
}

// Authenticate returns the user of that name if the password is theirs.
//
// An unknown name, a wrong password and a disabled user are one error,
// authsvc.ErrBadCredentials, after one hash at the current cost.
// ErrBusy means that nothing was decided: every hash slot and every
// place in the queue is taken, or ctx ended in the queue.
func (f *UserFile) Authenticate(ctx context.Context, username, password string) (authsvc.User, error) {
	if len(password) > maxPassword { // nobody's password, and so no secret
		return authsvc.User{}, authsvc.ErrBadCredentials
	}
	rec, known := f.find(username)
	stored := f.dummy
	if known {
		stored = rec.hash
	}
	var right bool
	if err := f.slots.do(ctx, func() { right = stored.matches(password) }); err != nil {
		return authsvc.User{}, err
	}
	if !known || !right || rec.Disabled {
		return authsvc.User{}, authsvc.ErrBadCredentials
	}
	f.renew(ctx, rec, password)
	f.news.told(ctx, rec.Subject)
	return rec.account().User, nil
}

func (f *UserFile) find(username string) (record, bool) {
	t := f.file.get()
	i, err := t.index(username)
	if err != nil {
		return record{}, false
	}
	return t.records[i], true
}

// renewTime bounds how long a login waits for the file's lock when its hash
// is renewed.
const renewTime = time.Second

// renew replaces a hash that was made with other parameters. It never fails a
// login: what goes wrong is logged and tried again at the next one.
func (f *UserFile) renew(ctx context.Context, rec record, password string) {
	if rec.hash.Params == f.cfg.Params && len(rec.hash.salt) >= newSalt && len(rec.hash.sum) >= newSum {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	var fresh hash
	if err := f.slots.do(ctx, func() { fresh = newHash(password, f.cfg.Params) }); err != nil {
		return
	}
	err := f.change(ctx, rec.Username, func(now *record) {
		if now.Password == rec.Password { // else somebody has set a new one meanwhile
			now.setHash(fresh)
		}
	})
	if err != nil {
		f.cfg.Log.Warn("password hash not renewed", "subject", rec.Subject, "err", err)
	}
}

// Lookup returns the user of that subject, disabled or not, or
// authsvc.ErrNoUser. It costs no hash.
func (f *UserFile) Lookup(_ context.Context, subject string) (authsvc.User, error) {
	t := f.file.get()
	i, ok := t.bySubject[subject]
	if !ok {
		return authsvc.User{}, authsvc.ErrNoUser
	}
	return t.records[i].account().User, nil
}

// Find returns the account of that name, or ErrNotFound.
func (f *UserFile) Find(username string) (Account, error) {
	rec, ok := f.find(username)
	if !ok {
		return Account{}, notFound(username)
	}
	return rec.account(), nil
}

// List returns everybody, sorted by name.
func (f *UserFile) List() []Account {
	var all []Account
	for _, rec := range f.file.get().records {
		all = append(all, rec.account())
	}
	slices.SortFunc(all, func(a, b Account) int { return cmp.Compare(a.Username, b.Username) })
	return all
}

// Add makes a new user. An empty Subject is replaced by 128 random bits; a
// given one is 1 to 255 printable ASCII characters. The username is stored in
// its canonical form. ErrExists if name or subject is taken, ErrName or
// ErrPassword if one is unusable.
func (f *UserFile) Add(ctx context.Context, u authsvc.User, password string) (Account, error) {
	rec, err := newRecord(u, f.cfg.Now())
	if err != nil {
		return Account{}, err
	}
	if err := CheckPassword(password); err != nil {
		return Account{}, err
	}
	rec.setHash(newHash(password, f.cfg.Params))
	err = f.file.update(ctx, func(t userTable) (userTable, error) {
		return newUserTable(append(slices.Clone(t.records), rec))
	})
	if err != nil {
		return Account{}, fmt.Errorf("adding user %q: %w", rec.Username, err)
	}
	return rec.account(), nil
}

// SetPassword replaces a user's password. A service that watches the file ends
// the sessions that are open (see Watch).
func (f *UserFile) SetPassword(ctx context.Context, username, password string) error {
	if err := CheckPassword(password); err != nil {
		return err
	}
	fresh := newHash(password, f.cfg.Params)
	now := f.cfg.Now().UTC().Truncate(time.Second)
	return f.change(ctx, username, func(rec *record) {
		rec.setHash(fresh)
		// Each has a moment of its own, and between two of them there is room for
		// the sessions that begin with the first.
		if next := rec.PasswordSet.Add(2 * time.Second); rec.PasswordSet.IsZero() || next.Before(now) {
			rec.PasswordSet = now
		} else {
			rec.PasswordSet = next
		}
	})
}

// Disable keeps a user from logging in and from refreshing. A service that
// watches the file ends the sessions that are open (see Watch).
func (f *UserFile) Disable(ctx context.Context, username string) error {
	return f.change(ctx, username, func(rec *record) { rec.Disabled = true })
}

// Enable undoes Disable.
func (f *UserFile) Enable(ctx context.Context, username string) error {
	return f.change(ctx, username, func(rec *record) { rec.Disabled = false })
}

// Remove deletes a user. Somebody added later under the same name is another
// subject. A service that watches the file ends the sessions that are open (see
// Watch).
func (f *UserFile) Remove(ctx context.Context, username string) error {
	return f.file.update(ctx, func(t userTable) (userTable, error) {
		i, err := t.index(username)
		if err != nil {
			return t, err
		}
		return newUserTable(slices.Delete(slices.Clone(t.records), i, i+1))
	})
}

func (f *UserFile) change(ctx context.Context, username string, edit func(*record)) error {
	return f.file.update(ctx, func(t userTable) (userTable, error) {
		i, err := t.index(username)
		if err != nil {
			return t, err
		}
		records := slices.Clone(t.records)
		edit(&records[i])
		return newUserTable(records)
	})
}

func notFound(name string) error { return fmt.Errorf("%w: %q", ErrNotFound, name) }

// newSubject returns 128 random bits in base64url, 22 characters.
func newSubject() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
