package issuer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens"
	"github.com/sealring-dev/sealring/tokens/revocation"
)

// kept runs a test with the snapshot file of a follower that knew an entry and
// has ended.
func kept(t *testing.T, test func(t *testing.T, s *stub, e revocation.Entry)) {
	bubble(t, func(t *testing.T, s *stub) {
		s.file = filepath.Join(t.TempDir(), "orders.snapshot")
		f, e := s.follow("orders"), sessionEntry()
		c := s.live()
		c.delta(1, 2, e)
		f.Close()
		test(t, s, e)
	})
}

// restarted is a follower of an issuer that is away.
func (s *stub) restarted() *Follower {
	s.answer("*", -1)
	f := s.follow("orders")
	synctest.Wait()
	return f
}

func knows(f *Follower, e revocation.Entry) bool {
	_, ok := f.Revocations().Match(&tokens.Claims{Issuer: stubURL, SessionID: tokens.ID(e.ID)})
	return ok
}

func TestAFollowerStartsFromItsFileWhileTheIssuerIsAway(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		ended := time.Now()
		time.Sleep(30 * time.Minute)
		f := s.restarted()
		if !f.Ready() || !knows(f, e) || f.Status().Position != at(2) {
			t.Errorf("ready %v, entry known %v, status %+v", f.Ready(), knows(f, e), f.Status())
		}
		for _, p := range []keys.Purpose{keys.AccessToken, keys.Feed, keys.SessionCookie} {
			if !holds(f, current(t, s.ring, p)) {
				t.Errorf("no key for %s", p)
			}
		}
		if d := f.AsOf().Sub(ended); d > 0 || d < -time.Millisecond {
			t.Errorf("the list is as of %v, %v off", f.AsOf(), d)
		}
		before, err := os.ReadFile(s.file)
		if err != nil {
			t.Fatal(err)
		}
		f.Refresh() // an unknown key, before the issuer was ever reached
		time.Sleep(time.Minute)
		if !f.Ready() || !knows(f, e) {
			t.Error("what was known is lost")
		}
		f.Close()
		if after, err := os.ReadFile(s.file); err != nil || !bytes.Equal(before, after) {
			t.Errorf("the file has been made to look younger, or %v", err)
		}
	})
}

func TestAClosedFollowerLeavesItsNewestAge(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.file = filepath.Join(t.TempDir(), "orders.snapshot")
		f := s.follow("orders")
		c := s.live()
		for range 4 {
			time.Sleep(time.Second)
			c.beat(1)
		}
		time.Sleep(saveEvery - 4*time.Second)
		synctest.Wait()
		wantAges(t, f, time.Now().Add(-time.Second), time.Now()) // a live feed keeps the keys fresh
		time.Sleep(time.Second)
		c.beat(1)
		f.Close()
		wantAges(t, f, time.Now(), time.Now())
	})
}

func wantAges(t *testing.T, f *Follower, list, set time.Time) {
	t.Helper()
	s, err := f.readSnapshot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !s.frame.AsOf.Equal(list) || !s.keysAt.Equal(set) {
		t.Errorf("list as of %v, keys as of %v, want %v and %v", s.frame.AsOf, s.keysAt, list, set)
	}
}

func TestAFollowerResumesWhereItsFileEnds(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		f := s.restarted()
		s.answer("*", 0)
		c := s.next()
		if c.since != at(2).String() {
			t.Errorf("the feed was asked for what follows %q", c.since)
		}
		if n := s.count("/jwks"); n != 2 {
			t.Errorf("the key set was fetched %d times by two followers", n)
		}
		if n := s.count("/session-keys"); n != 2 {
			t.Errorf("the session keys were fetched %d times by two followers", n)
		}
		c.keys(1)
		later := sessionEntry()
		c.delta(2, 3, later)
		if !f.Status().Live || !knows(f, e) || !knows(f, later) {
			t.Errorf("status %+v", f.Status())
		}
	})
}

func TestAFollowerWithAFileThatIsTooOldForTheIssuerTakesASnapshot(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		f := s.follow("orders")
		c := s.next()
		c.keys(1)
		c.send("reset", `{"window_ms":10}`)
		c = s.live()
		if c.since != "" || !f.Status().Live || !knows(f, e) {
			t.Errorf("since %q, status %+v", c.since, f.Status())
		}
	})
}

func TestTheFirstStartNeedsNoFile(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.file = filepath.Join(t.TempDir(), "orders.snapshot")
		f := s.follow("orders")
		s.live()
		if !f.Ready() || strings.Contains(s.logged(), "snapshot file") {
			t.Errorf("ready %v, log %s", f.Ready(), s.logged())
		}
	})
}

// wantNotUsed demands that a follower starts without its file, and says so.
func wantNotUsed(t *testing.T, s *stub, e revocation.Entry, why error) {
	t.Helper()
	f := s.restarted()
	if f.Ready() || knows(f, e) || !f.AsOf().IsZero() {
		t.Error("the file is used")
	}
	if _, err := f.Key("x", keys.AccessToken, time.Now()); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("without keys: %v", err)
	}
	if out := s.logged(); !strings.Contains(out, "snapshot file not used") || !strings.Contains(out, why.Error()) {
		t.Errorf("log %s", out)
	}
	s.answer("*", 0)
	s.live()
	if !f.Ready() {
		t.Error("not ready once the issuer is back")
	}
}

func TestAFileIsNotUsedOnceItsKeysAreTooOld(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		time.Sleep(maxKeysAge)
		f := s.restarted()
		if !f.Ready() {
			t.Error("not used at 24 hours")
		}
		f.Close()
		time.Sleep(time.Second)
		wantNotUsed(t, s, e, errOldKeys)
	})
}

func TestAFileOfAnyoneElseIsNotUsed(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"another issuer": func(c *Config) { c.Issuer = "https://other.example.com" },
		"another client": func(c *Config) { c.Client.ID = "payments" },
		"another secret": func(c *Config) { c.Client.Secret = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
				cfg := Config{Issuer: stubURL, Client: Client{ID: "orders", Secret: "hush-hush"}}
				change(&cfg)
				rewrite(t, s.file, cfg, func(*snapshot) {})
				wantNotUsed(t, s, e, errSnapshot)
			})
		})
	}
}

// rewrite seals the content of a file for cfg, changed.
func rewrite(t *testing.T, path string, cfg Config, change func(*snapshot)) {
	t.Helper()
	file, err := readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSnapshot(Config{Issuer: stubURL, Client: Client{ID: "orders", Secret: "hush-hush"}}, file)
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	if file, err = s.seal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, file); err != nil {
		t.Fatal(err)
	}
}

func TestAFileFromTheFutureIsNotUsed(t *testing.T) {
	own := Config{Issuer: stubURL, Client: Client{ID: "orders", Secret: "hush-hush"}}
	for name, change := range map[string]func(*snapshot){
		"keys": func(s *snapshot) { s.keysAt = time.Now().Add(clockSlip + time.Second) },
		"list": func(s *snapshot) { s.frame.AsOf = time.Now().Add(clockSlip + time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
				rewrite(t, s.file, own, change)
				wantNotUsed(t, s, e, errFuture)
			})
		})
	}
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		rewrite(t, s.file, own, func(s *snapshot) { s.frame.AsOf = time.Now().Add(clockSlip) })
		if f := s.restarted(); f.AsOf().After(time.Now()) {
			t.Errorf("the list is as of %v", f.AsOf())
		}
	})
}

func TestNoEditOfAFileIsUsed(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		cfg := Config{Issuer: stubURL, Client: Client{ID: "orders", Secret: "hush-hush"}}
		file, err := readFile(s.file)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(edit []byte, what string, n int) {
			if _, err := openSnapshot(cfg, edit); !errors.Is(err, errSnapshot) {
				t.Errorf("%s %d: %v", what, n, err)
			}
		}
		for n := range file {
			refused(file[:n], "cut at", n)
			for _, mask := range []byte{1, 0x80, 0xff} {
				edit := bytes.Clone(file)
				edit[n] ^= mask
				refused(edit, "byte", n)
			}
		}
		refused(append(bytes.Clone(file), 0), "one byte more than", len(file))
		file[len(file)/2] ^= 1
		if err := writeFile(s.file, file); err != nil {
			t.Fatal(err)
		}
		wantNotUsed(t, s, e, errSnapshot)
	})
}

func TestOnlyAWholeListIsASnapshot(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		rewrite(t, s.file, Config{Issuer: stubURL, Client: Client{ID: "orders", Secret: "hush-hush"}}, func(s *snapshot) {
			s.frame.Kind, s.frame.PrevEpoch = revocation.Delta, s.frame.Pos.Epoch
		})
		wantNotUsed(t, s, e, errSnapshot)
	})
}

func TestWhatIsNoFileIsNotUsed(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		s.file = filepath.Dir(s.file)
		wantNotUsed(t, s, e, errNoFile)
	})
}

func TestAFileIsReadableByNobodyElse(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, _ revocation.Entry) {
		info, err := os.Stat(s.file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		file, err := os.ReadFile(s.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{current(t, s.ring, keys.SessionCookie).ID, "keys", "kid", stubURL, "hush"} {
			if bytes.Contains(file, []byte(word)) {
				t.Errorf("%q is in the file", word)
			}
		}
		if others, _ := os.ReadDir(filepath.Dir(s.file)); len(others) != 1 {
			t.Errorf("beside it there are %v", others)
		}
	})
}

func TestWhatAKilledWriterLeftIsRemoved(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, _ revocation.Entry) {
		dir := filepath.Dir(s.file)
		for _, name := range []string{temporary(s.file) + "1", temporary(s.file) + "2", "other"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			made := time.Now().Add(-abandoned - time.Second)
			if strings.HasSuffix(name, "2") {
				made = made.Add(time.Second)
			}
			if err := os.Chtimes(filepath.Join(dir, name), made, made); err != nil {
				t.Fatal(err)
			}
		}
		s.restarted()
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range left {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); got != temporary(s.file)+"2 orders.snapshot other" {
			t.Errorf("left are %s", got)
		}
	})
}

func TestAFileIsWrittenWithinSecondsAndNotMoreOften(t *testing.T) {
	for name, c := range map[string]struct {
		step     func(f *stubFeed, n uint64)
		min, max int // writes in a minute
	}{
		"revocations":    {func(f *stubFeed, n uint64) { f.delta(n, n+1, sessionEntry()) }, 11, 13},
		"nothing to say": {func(f *stubFeed, _ uint64) { f.beat(1) }, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				s.file = filepath.Join(t.TempDir(), "orders.snapshot")
				s.follow("orders")
				f := s.live()
				var last []byte
				writes := 0
				for n := range uint64(60) {
					time.Sleep(time.Second)
					c.step(f, n+1)
					if now, err := os.ReadFile(s.file); err == nil && !bytes.Equal(now, last) {
						last = now
						writes++
					}
				}
				if writes < c.min || writes > c.max {
					t.Errorf("written %d times in a minute", writes)
				}
			})
		})
	}
}

func TestAKilledFollowerLosesSecondsOfItsFile(t *testing.T) {
	bubble(t, func(t *testing.T, s *stub) {
		s.file = filepath.Join(t.TempDir(), "orders.snapshot")
		s.follow("orders") // and never closed before the next one starts
		e := sessionEntry()
		s.live().delta(1, 2, e)
		time.Sleep(saveEvery + time.Second)
		if f := s.restarted(); !f.Ready() || !knows(f, e) {
			t.Error("the file is not there")
		}
	})
}

// What a store that is away could not give a place in the log is told all the
// same, and leaves the position as it is.
func TestAnEntryWithoutAPlaceIsSaved(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, _ revocation.Entry) {
		f, e := s.follow("orders"), sessionEntry()
		c := s.next()
		c.keys(1)
		stands := revocation.Frame{Kind: revocation.Delta, PrevEpoch: epoch, Prev: at(2).Cursor, Pos: at(2), AsOf: f.AsOf()}
		for n := range 12 {
			time.Sleep(time.Second)
			stands.Entries = nil
			if n == 6 { // the key set, which is new to this follower, has been saved before
				stands.Entries = []revocation.Entry{e}
			}
			c.frame(stands)
		}
		if again := s.restarted(); !knows(again, e) {
			t.Error("the entry is not in the file")
		}
	})
}

func TestAListThatLacksSomethingIsNotSaved(t *testing.T) {
	kept(t, func(t *testing.T, s *stub, e revocation.Entry) {
		before, err := os.ReadFile(s.file)
		if err != nil {
			t.Fatal(err)
		}
		s.follow("orders")
		c := s.next()
		c.keys(1)
		c.send("reset", `{"window_ms":3600000}`)
		time.Sleep(10 * saveEvery)
		after, err := os.ReadFile(s.file)
		if err != nil || !bytes.Equal(before, after) || strings.Contains(s.logged(), "not written") {
			t.Errorf("the file has changed, or %v; log %s", err, s.logged())
		}
	})
}

func TestAFileThatCanNotBeWrittenIsSaidOnce(t *testing.T) {
	for name, file := range map[string]string{"no folder": "none/orders.snapshot", "a folder in its place": "orders.snapshot"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *stub) {
				dir := t.TempDir()
				if err := os.MkdirAll(filepath.Join(dir, "orders.snapshot", "full"), 0o700); err != nil {
					t.Fatal(err)
				}
				s.file = filepath.Join(dir, file)
				f := s.follow("orders")
				c := s.live()
				for n := range uint64(60) {
					time.Sleep(time.Second)
					c.delta(n+1, n+2, sessionEntry())
				}
				if n := strings.Count(s.logged(), "snapshot file not written"); n != 1 || !f.Status().Live {
					t.Errorf("said %d times, status %+v", n, f.Status())
				}
				if left, _ := os.ReadDir(dir); len(left) != 1 {
					t.Errorf("left are %v", left)
				}
			})
		})
	}
}

func TestAFileNeedsAClient(t *testing.T) {
	if _, err := Follow(t.Context(), Config{Issuer: stubURL, Snapshot: "x"}); !errors.Is(err, ErrConfig) {
		t.Errorf("error %v", err)
	}
}

// The content is authentic, but a later version of this program may have
// written it, or an earlier one.
func FuzzParseSnapshot(f *testing.F) {
	ring, err := keys.NewRing(keys.DefaultPlan(), keys.ES256, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	frame, err := (&revocation.Frame{Kind: revocation.Snapshot, Pos: at(1), AsOf: time.Now(), Entries: []revocation.Entry{sessionEntry()}}).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte(`{"keys_at":"2026-01-02T03:04:05Z","keys":`+string(ring.PublicSet(time.Now()).JWKS())+"}\n"), frame...))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := parseSnapshot(content)
		if err != nil {
			return
		}
		cfg := Config{Issuer: stubURL, Client: Client{ID: "orders", Secret: "hush-hush"}}
		file, err := s.seal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		again, err := openSnapshot(cfg, file)
		if err != nil || !again.keysAt.Equal(s.keysAt) || len(again.frame.Entries) != len(s.frame.Entries) {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}
