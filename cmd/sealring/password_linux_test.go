package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: what is written to master is typed.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// until polls for a state of the terminal or of the output.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never comes to %s", what)
		}
	}
}

// typing starts `users add ann` at a terminal and answers each prompt once the
// echo is off; it returns what ran and what came back on the screen.
func typing(t *testing.T, ctx context.Context, data string, answers ...string) (code int, screen, stderr string) {
	t.Helper()
	master, slave := terminal(t)
	var errs buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"users", "add", "ann", "--data", data}, nil, slave, &buffer{}, &errs)
	}()
	for i, answer := range answers {
		prompt := []string{"Password: ", "Once more: "}[i]
		until(t, prompt, func() bool { return strings.Contains(errs.String(), prompt) && !echoes(t, slave) })
		if _, err := master.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(answer, "\n") {
			until(t, "the end of the line", func() bool {
				return echoes(t, slave) || strings.Contains(errs.String(), "Once more: ")
			})
		}
	}
	select {
	case code = <-ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if !echoes(t, slave) {
		t.Error("the terminal is left without echo")
	}
	if _, err := master.WriteString("end\n"); err != nil { // echoed: so nothing more can be in front of it
		t.Fatal(err)
	}
	seen := make([]byte, 1024)
	for !strings.Contains(screen, "end") {
		n, err := master.Read(seen)
		if err != nil {
			t.Fatal(err)
		}
		screen += string(seen[:n])
	}
	return code, screen, errs.String()
}

func TestAPasswordIsAskedForTwiceWithoutEcho(t *testing.T) {
	data := t.TempDir()
	code, screen, stderr := typing(t, t.Context(), data, "correct horse\n", "correct horse\n")
	if code != exitOK {
		t.Fatalf("ends with %d: %s", code, stderr)
	}
	if strings.Contains(screen, "horse") || strings.Contains(stderr, "horse") {
		t.Errorf("the password is on the screen: %q %q", screen, stderr)
	}
	if raw, err := os.ReadFile(filepath.Join(data, usersFile)); err != nil || !strings.Contains(string(raw), `"ann"`) {
		t.Errorf("the user is not there: %v", err)
	}
}

func TestTwoDifferentPasswordsChangeNothing(t *testing.T) {
	data := t.TempDir()
	code, _, stderr := typing(t, t.Context(), data, "correct horse\n", "correct house\n")
	if code != exitFailed || !strings.Contains(stderr, "the two passwords differ") {
		t.Errorf("ends with %d: %s", code, stderr)
	}
	if exists(filepath.Join(data, usersFile)) {
		t.Error("the user file was written")
	}
}

func TestAnInterruptGivesTheEchoBack(t *testing.T) {
	data := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	master, slave := terminal(t)
	var errs buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"users", "add", "ann", "--data", data}, nil, slave, &buffer{}, &errs)
	}()
	until(t, "the prompt", func() bool { return !echoes(t, slave) })
	cancel()
	select {
	case code := <-ended:
		if code != exitFailed {
			t.Errorf("ends with %d", code)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if !echoes(t, slave) {
		t.Error("the terminal is left without echo")
	}
	_, _ = master.WriteString("\n") // lets the reader go
}
