package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
)

var (
	errUsage   = errors.New("wrong usage")
	errRefused = errors.New("refused")
)

// usageError is an error that is errUsage without saying so.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// app is one run of the program: what it was started with, and what its
// commands share.
type app struct {
	env    map[string]string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	program func() (string, error) // the file of this program, to start it once more

	format   string // of -o
	settings settings
	redis    redis.UniversalClient // once a command has asked for it
	started  bool                  // a command's work has begun: errors are no longer about usage
}

func newApp(env []string, stdin io.Reader, stdout, stderr io.Writer) *app {
	a := &app{env: make(map[string]string, len(env)), stdin: stdin, stdout: stdout, stderr: stderr, program: os.Executable}
	for _, kv := range env {
		if name, value, ok := strings.Cut(kv, "="); ok {
			a.env[name] = value
		}
	}
	return a
}

func (a *app) root() *cobra.Command {
	root := group("sealring", "Sessions that verify anywhere and end everywhere",
		a.devCommand(), a.serveCommand(), a.relayCommand(), a.demoCommand(),
		a.keysCommand(), a.usersCommand(), a.clientsCommand(),
		a.revokeCommand(), a.tokenCommand(), a.budgetCommand(),
		a.settingsCommand(), a.versionCommand(), completionCommand(a),
	)
	root.Long = `Sealring logs people in, signs access tokens, seals session cookies, and tells
every service that verifies them what to stop trusting.

Start with:  sealring dev

Data goes to standard output, messages to standard error. Exit codes: 0 ok,
1 failed, 2 wrong usage, 3 over budget, 4 refused because it would break live
sessions. Secrets come from a file, standard input or the environment, never
from the value of a flag.`
	root.CompletionOptions.DisableDefaultCmd = true
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return root
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	c.RunE = func(c *cobra.Command, args []string) error {
		c.SetOut(c.ErrOrStderr())
		if len(args) > 0 {
			return usagef("unknown command %q for %q", args[0], c.CommandPath())
		}
		_ = c.Help()
		return usagef("which command of %q?", c.CommandPath())
	}
	c.AddCommand(commands...)
	return c
}

// work is what a command does once its arguments and settings are known.
type work func(ctx context.Context, args []string) error

// command makes a command that uses the named settings: they become its
// flags, and are loaded before do is called.
func (a *app) command(c *cobra.Command, uses []string, do work) *cobra.Command {
	a.settings.addFlags(c.Flags(), uses)
	c.RunE = func(c *cobra.Command, args []string) error {
		if a.format != "" && a.format != "table" && a.format != "json" {
			return usagef("-o is table or json, not %q", a.format)
		}
		if len(uses) > 0 {
			if err := a.settings.load(c.Flags(), a.env); err != nil {
				return err
			}
		}
		a.started = true
		return errors.Join(do(c.Context(), args), a.closeClient())
	}
	return c
}

// printing adds -o to a command that prints data.
func (a *app) printing(c *cobra.Command) *cobra.Command {
	c.Flags().StringVarP(&a.format, "output", "o", "table", "form of the output: table or json")
	return c
}

func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }

// logger writes structured lines to stderr.
func (a *app) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}
