package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/sessionschema"
	"github.com/sealring-dev/sealring/tokens/budget"
)

const maxSchema = 1 << 20

// sessionRule is session_schema as the service holds sessions to it; nil if there
// is none. What the schema allows and the budget does not is told now, and not
// only by the first user who meets it.
func (s *settings) sessionRule(cfg authsvc.Config, log *slog.Logger) (func(authsvc.Example) error, error) {
	if s.SessionSchema == "" {
		return nil, nil
	}
	raw, err := readLimited(s.SessionSchema, maxSchema)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("session_schema: there is no %s", s.SessionSchema)
		}
		return nil, fmt.Errorf("session_schema: %w", err)
	}
	schema, err := sessionschema.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("session_schema: %s: %w", s.SessionSchema, err)
	}
	if err := fitsAll(schema, cfg); err != nil {
		log.Warn("session_schema allows sessions that will be refused as too large; see sealring budget schema", "cause", err)
	}
	return schema.Check, nil
}

// fitsAll says why not every session of a schema is within the budget.
func fitsAll(schema *sessionschema.Schema, cfg authsvc.Config) error {
	f, err := authsvc.NewForecaster(cfg)
	if err != nil {
		return err
	}
	largest := schema.Largest(f.Names())
	if largest.Unbounded != nil {
		return fmt.Errorf("%s has no bound", largest.Unbounded[0])
	}
	names := cfg.BudgetProfiles
	if len(names) == 0 {
		names = []string{budget.Portable}
	}
	limits, err := budget.Find(names...)
	if err != nil {
		return err
	}
	reply, err := f.Longest(largest.Session)
	if err != nil {
		return err
	}
	return limits.Check(reply)
}
