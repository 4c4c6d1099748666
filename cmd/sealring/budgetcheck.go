package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sealring-dev/sealring/authsvc"
	"github.com/sealring-dev/sealring/openapi"
	"github.com/sealring-dev/sealring/tokens/budget"
)

const maxExample = 1 << 20

func (a *app) budgetCheck() *cobra.Command {
	var profiles []string
	var against string
	c := &cobra.Command{
		Use: "check FILE...", Short: "Hold example sessions against the limits",
		Long: `Say whether browsers and proxies take the answer that begins such a session, and
the requests in which its cookies come back. Each FILE (- for standard input) is a
JSON object as ` + "`GET /v1/session`" + ` answers it, of which subject, audience, scope, roles
and data count:

  {"subject": "ann", "audience": ["orders"], "roles": ["admin"], "data": {"cart": []}}

The sizes are exact, for the settings that are given. A claim counts the bytes of
its JSON; a cookie holds it sealed, and most claims in fewer bytes. Of each
profile the limit that has the least left is shown; JSON has all of them.

The exit code is 3 if one of the sessions does not fit.`,
		Example: `  sealring budget check --config /etc/sealring.yaml session.json
  git show main:session.json > before.json
  sealring budget check --profile nginx --profile node --against before.json session.json`,
		Args: cobra.MinimumNArgs(1),
	}
	c.Flags().StringSliceVar(&profiles, "profile", nil, "a profile of `sealring budget profiles` (repeat for more); else those of budget_profile")
	c.Flags().StringVar(&against, "against", "", "example session to compare with: shows what each session has more")
	return a.printing(a.command(c, answerSettings, func(_ context.Context, args []string) error {
		limits, err := a.chosen(profiles)
		if err != nil {
			return err
		}
		f, err := a.forecaster()
		if err != nil {
			return err
		}
		w := weigher{a, f, limits}
		var before *budgetReport
		if against != "" {
			if before, err = w.weighFile(against); err != nil {
				return err
			}
		}
		return w.weighAll(args, before)
	}))
}

// weigher holds sessions against limits.
type weigher struct {
	*app
	forecaster *authsvc.Forecaster
	limits     budget.Profile
}

func (w weigher) weighAll(files []string, before *budgetReport) error {
	reports, over := []*budgetReport{}, error(nil)
	for _, file := range files {
		r, err := w.weighFile(file)
		if err != nil {
			return err
		}
		r.compare(before)
		reports = append(reports, r)
		over = errors.Join(over, r.over())
	}
	return errors.Join(w.show(reports), over)
}

func (w weigher) show(reports []*budgetReport) error {
	if w.format == "json" {
		return w.printJSON(reports)
	}
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(w.stdout)
		}
		if _, err := io.WriteString(w.stdout, w.scale().draw(r)); err != nil {
			return err
		}
	}
	return nil
}

func (w weigher) weighFile(file string) (*budgetReport, error) {
	x, err := w.readExample(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	reply, err := w.forecaster.Login(x)
	if err != nil && !errors.Is(err, authsvc.ErrTooLarge) {
		return nil, fmt.Errorf("%s: no such session can be begun: %w", file, err)
	}
	r := newBudgetReport(file, reply.Parts)
	if err != nil {
		r.Fault = err.Error()
		return r, nil
	}
	r.read(w.limits.Read(reply))
	return r, nil
}

// readExample reads an example session. A name that is not known may be a
// slip, and would leave out what it should count.
func (a *app) readExample(file string) (x authsvc.Example, err error) {
	raw, err := a.readInput(file)
	if err != nil {
		return x, err
	}
	var s openapi.Session
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return x, fmt.Errorf("not an example session: %w", err)
	}
	if d.More() {
		return x, errors.New("not an example session: something comes after it")
	}
	if s.Subject == "" {
		return x, errors.New("not an example session: it has no subject")
	}
	if len(s.Audience) == 0 && len(a.settings.Audiences) == 0 {
		return x, errors.New("it has no audience, and there are no --audiences")
	}
	return authsvc.Example{Subject: s.Subject, Audience: s.Audience, Scope: s.Scope, Roles: s.Roles, Data: s.Data}, nil
}

func (a *app) readInput(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(a.stdin, maxExample))
	}
	return readLimited(file, maxExample)
}
