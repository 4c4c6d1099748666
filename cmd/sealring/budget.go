package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/tokens/budget"
)

// errOver says that a session does not fit.
var errOver = errors.New("over budget")

func (a *app) budgetCommand() *cobra.Command {
	return group("budget", "What browsers and proxies take of a session", a.budgetCheck(), a.budgetSchema(), a.budgetProfiles())
}

type limitView struct {
	Profile    string         `json:"profile"`
	Program    string         `json:"program"`
	Measure    budget.Measure `json:"measure"`
	Limit      int            `json:"limit"`
	PerLine    int            `json:"per_line,omitempty"`
	Source     string         `json:"source"`
	Documented bool           `json:"documented"`
}

func (a *app) budgetProfiles() *cobra.Command {
	c := &cobra.Command{
		Use: "profiles", Short: "Show every limit, and where it is from",
		Long: `Show every limit that a session is held against, in bytes, with its source. Those
of the default profile, ` + budget.Portable + `, are all of them; whatever else is chosen, the
browsers' count.`,
		Args: cobra.NoArgs,
	}
	return a.printing(a.command(c, nil, func(context.Context, []string) error {
		views, rows := []limitView{}, [][]string{}
		for _, p := range budget.Profiles() {
			for _, l := range p.Limits {
				views = append(views, limitView{p.Name, p.Title, l.Measure, l.Bytes, l.PerLine, l.Source, l.Documented})
				rows = append(rows, []string{p.Name, p.Title, string(l.Measure), strconv.Itoa(l.Bytes) + perLine(l), l.Source})
			}
		}
		return a.print(views, []string{"PROFILE", "PROGRAM", "MEASURE", "LIMIT", "SOURCE"}, rows)
	}))
}

func perLine(l budget.Limit) string {
	if l.PerLine == 0 {
		return ""
	}
	return fmt.Sprintf(" (each line counts %d more)", l.PerLine)
}

// answerSettings are what makes the answer to a login larger or smaller.
var answerSettings = []string{"issuer", "audiences", "app_origins", "stored_fields", "short_names", "alg", "access_ttl", "idle_ttl", "session_ttl"}

// anyIssuer stands for one that is not known.
const anyIssuer = "https://auth.example.com"

// forecaster makes the answers of the service that the settings describe.
func (a *app) forecaster() (*authsvc.Forecaster, error) {
	s := &a.settings
	if s.Issuer == "" {
		s.Issuer = anyIssuer
		a.say("No --issuer: counted with %s.", anyIssuer)
	}
	if err := checkIssuer(s.Issuer); err != nil {
		return nil, usageError{err}
	}
	plan := keys.DefaultPlan()
	plan.Names = s.ShortNames
	ring, err := keys.NewRing(plan, keys.Alg(s.Alg), time.Now())
	if err != nil {
		return nil, usagef("alg: %w", err)
	}
	return authsvc.NewForecaster(authsvc.Config{
		Issuer: s.Issuer, Audiences: s.Audiences, AppOrigins: s.AppOrigins, StoredFields: s.StoredFields, Ring: ring,
		AccessTTL: s.AccessTTL, IdleTTL: s.IdleTTL, SessionTTL: s.SessionTTL,
	})
}

// chosen are the limits of the profiles that were named, else of budget_profile.
func (a *app) chosen(names []string) (budget.Profile, error) {
	if len(names) == 0 {
		names = a.settings.Budget
	}
	if len(names) == 0 {
		names = []string{budget.Portable}
	}
	p, err := budget.Find(names...)
	if err != nil {
		return p, usageError{err}
	}
	return p, nil
}
