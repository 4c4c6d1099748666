package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxLine is more than the longest password, 1024 bytes.
const maxLine = 4 << 10

// readPassword reads a new password: twice and without echo from a terminal,
// else as one line of standard input.
func (a *app) readPassword(ctx context.Context) (string, error) {
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return a.askTwice(ctx, int(f.Fd()))
	}
	return readLine(a.stdin)
}

func (a *app) askTwice(ctx context.Context, fd int) (string, error) {
	first, err := a.ask(ctx, fd, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := a.ask(ctx, fd, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}

// ask reads one line without echo. An interrupt must not leave the terminal
// mute, so the state is put back before anything else happens.
func (a *app) ask(ctx context.Context, fd int, prompt string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("reading password: %w", err)
	}
	type answer struct {
		line []byte
		err  error
	}
	fmt.Fprint(a.stderr, prompt)
	answered := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		answered <- answer{line, err}
	}()
	select {
	case got := <-answered:
		fmt.Fprintln(a.stderr)
		if got.err != nil {
			return "", fmt.Errorf("reading password: %w", got.err)
		}
		return string(got.line), nil
	case <-ctx.Done(): // the reader is left to the end of the process
		_ = term.Restore(fd, before)
		fmt.Fprintln(a.stderr)
		return "", context.Cause(ctx)
	}
}

// readLine reads one line of at most maxLine bytes; the last one needs no
// line end. More lines are an error: they would be silently ignored.
func readLine(r io.Reader) (string, error) {
	in := bufio.NewReader(io.LimitReader(r, maxLine+1))
	line, err := in.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	// Only what is there already: a pipe that stays open must not be waited for.
	if in.Buffered() > 0 || len(line) > maxLine {
		return "", errors.New("standard input holds more than one line; it is to be the password alone")
	}
	return strings.TrimRight(line, "\r\n"), nil
}
