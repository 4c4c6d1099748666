package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	childStart = 20 * time.Second // from its start until it is ready
	childEnd   = 5 * time.Second  // after which it is killed
	childPoll  = 20 * time.Millisecond
)

// runChild runs the demo service as a process of its own until ctx ends. Once
// it is ready, announce is called. The process holds the other end of a pipe
// as its standard input, so that it ends with this one however that ends.
func (a *app) runChild(ctx context.Context, info *devRun, announce func() error) error {
	socket, err := info.socket.File()
	if err := errors.Join(err, info.socket.Close()); err != nil {
		return fmt.Errorf("passing the demo service its socket: %w", err)
	}
	defer socket.Close()
	self, err := a.program()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.Command(self, "demo", "--issuer", info.Issuer, "--listen", passedOn,
		"--clock-skew", a.settings.ClockSkew.String(), "--log-level", a.settings.LogLevel)
	cmd.Env = a.childEnv(info)
	cmd.ExtraFiles = []*os.File{socket} // the first of which is number 3
	cmd.Stderr = a.stderr
	cmd.WaitDelay = childEnd
	// A Ctrl-C is for this process alone; it ends the other in its turn.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting demo service: %w", err)
	}
	_ = socket.Close() // the child has its own; nobody shall wait here when that has ended
	ended := make(chan error, 1)
	first := make(chan string, 1)
	go func() {
		first <- firstLine(stdout)
		_, _ = io.Copy(io.Discard, stdout)
		ended <- cmd.Wait()
	}()
	err = a.followChild(ctx, info, first, ended, announce)
	return errors.Join(err, endChild(cmd, stdin, ended))
}

// followChild waits until the child is ready, announces, and waits on.
func (a *app) followChild(ctx context.Context, info *devRun, first <-chan string, ended chan error, announce func() error) error {
	select {
	case line := <-first:
		u, err := url.Parse(line)
		if err != nil || u.Port() == "" {
			return errors.New("the demo service did not start")
		}
		ready, cancel := context.WithTimeout(ctx, childStart)
		defer cancel()
		if err := waitReady(ready, line+"/readyz"); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("waiting for the demo service: %w", err)
		}
	case <-ctx.Done():
		return nil
	}
	if err := announce(); err != nil {
		return err
	}
	select {
	case err := <-ended:
		ended <- err // for endChild
		return fmt.Errorf("the demo service has ended: %w", errors.Join(err, errors.New("without being asked to")))
	case <-ctx.Done():
		return nil
	}
}

// passedOn is the address of a socket that the parent has opened.
const passedOn = "fd:3"

// listenOrTake opens a socket, or takes the one that was passed on.
func listenOrTake(address string) (net.Listener, error) {
	if address != passedOn {
		return listen(address, "listen")
	}
	f := os.NewFile(3, "socket")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("taking the socket that was passed on: %w", err)
	}
	return l, nil
}

// endChild closes the child's standard input, which asks it to end, and kills
// it when it does not.
func endChild(cmd *exec.Cmd, stdin io.Closer, ended chan error) error {
	_ = stdin.Close()
	select {
	case err := <-ended:
		return err
	case <-time.After(childEnd):
		_ = cmd.Process.Kill()
		<-ended
		return errors.New("the demo service had to be killed")
	}
}

// childEnv passes the environment on, without settings of ours that were
// meant for this process, and with the secret that must not be an argument.
func (a *app) childEnv(info *devRun) []string {
	var env []string
	for name, value := range a.env {
		if !strings.HasPrefix(name, "SEALRING_") {
			env = append(env, name+"="+value)
		}
	}
	return append(env, "SEALRING_CLIENT_ID="+info.ClientID, "SEALRING_CLIENT_SECRET="+info.ClientSecret)
}

func firstLine(r io.Reader) string {
	line, _ := bufio.NewReader(io.LimitReader(r, 1<<10)).ReadString('\n')
	return strings.TrimSpace(line)
}

// waitReady polls until the URL answers 200.
func waitReady(ctx context.Context, url string) error {
	tick := time.NewTicker(childPoll)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
