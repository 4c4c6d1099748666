package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/authsvc/sessionschema"
)

// errUnbounded says that a schema allows sessions of any size.
var errUnbounded = fmt.Errorf("%w: it sets no bound", errOver)

func (a *app) budgetSchema() *cobra.Command {
	var profiles []string
	c := &cobra.Command{
		Use: "schema [FILE]", Short: "Hold the largest session of a JSON Schema against the limits",
		Long: `Say whether browsers and proxies take every session that a JSON Schema allows: the
largest of them is found and held against the limits as ` + "`sealring budget check`" + ` does.
FILE (- for standard input; without it, session_schema) describes a session as
` + "`GET /v1/session`" + ` answers it, in its members subject, audience, scope, roles and data.
With session_schema the service begins no other session with cookies.

No session that the schema allows takes a byte more than what is said. The data
counts to the byte; a role, scope or audience that is in short_names as its code; and any
other text of a claim as if it could not be squeezed, which is far too much for the
roles of an enum: put these into short_names. The keywords
that set bounds are type, enum, const, $ref, allOf, anyOf and oneOf; maxLength,
pattern (from ^ to $) and the formats date, uuid, ipv4 and ipv6; maxItems, items and
prefixItems; properties, additionalProperties, patternProperties, maxProperties
and propertyNames; minimum and maximum of integers. Any other can but restrict, and
is held to by session_schema. Places without a bound are named.

The exit code is 3 if there is such a place, or if the largest session does not
fit.`,
		Example: `  sealring budget schema session.schema.json --profile nginx --profile browsers`,
		Args:    cobra.MaximumNArgs(1),
	}
	c.Flags().StringSliceVar(&profiles, "profile", nil, "a profile of `sealring budget profiles` (repeat for more); else those of budget_profile")
	return a.printing(a.command(c, append([]string{"session_schema"}, answerSettings...), func(_ context.Context, args []string) error {
		file := a.settings.SessionSchema
		if len(args) > 0 {
			file = args[0]
		}
		if file == "" {
			return usagef("name a FILE, or set session_schema")
		}
		limits, err := a.chosen(profiles)
		if err != nil {
			return err
		}
		f, err := a.forecaster()
		if err != nil {
			return err
		}
		return weigher{a, f, limits}.weighSchema(file)
	}))
}

func (w weigher) weighSchema(file string) error {
	raw, err := w.readInput(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	schema, err := sessionschema.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	largest := schema.Largest(w.forecaster.Names())
	if largest.Unbounded != nil {
		return w.tellUnbounded(file, largest.Unbounded)
	}
	reply, err := w.forecaster.Longest(largest.Session)
	if err != nil && !errors.Is(err, authsvc.ErrTooLarge) {
		return fmt.Errorf("%s: no such session can be begun: %w", file, err)
	}
	r := newBudgetReport(file, reply.Parts)
	if err != nil {
		r.Fault = err.Error()
	} else {
		r.read(w.limits.Read(reply))
	}
	return errors.Join(w.show([]*budgetReport{r}), r.over())
}

// unboundedView is what JSON has of a schema that has no largest session.
type unboundedView struct {
	File      string   `json:"file"`
	Fits      bool     `json:"fits"`
	Unbounded []string `json:"unbounded"` // JSON Pointers, each with the keyword that would bound it
}

func (w weigher) tellUnbounded(file string, places []string) error {
	if w.format == "json" {
		return errors.Join(w.printJSON([]unboundedView{{file, false, places}}), fmt.Errorf("%s is %w", file, errUnbounded))
	}
	fmt.Fprintf(w.stdout, "%s: no bound for\n\n  %s\n", shown(file), strings.Join(places, "\n  "))
	return fmt.Errorf("%s is %w", file, errUnbounded)
}
