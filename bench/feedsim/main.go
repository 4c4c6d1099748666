// Feedsim prints the page of numbers of the revocation feed: what an entry
// and a delta weigh, how long the list gets, and what an auth service sends
// to its verifiers, for a million to a thousand million sessions.
//
//	go run ./bench/feedsim
//
// Nothing is scaled down and no number is a formula's: every revocation of the
// simulated days is drawn, batched as the auth service batches, put into a
// frame, signed, verified and merged into a verifier's list by the code that
// runs in production, on a clock of its own. The dice are seeded, so that the
// page is the same each time; what depends on the machine is in the last
// table. RESULTS.md has the page as it was last committed.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "feedsim:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	weights, err := weigh()
	if err != nil {
		return fmt.Errorf("weighing events: %w", err)
	}
	if err := weights.print(out); err != nil {
		return err
	}
	var all []result
	for _, s := range scenarios() {
		r, err := s.simulate()
		if err != nil {
			return fmt.Errorf("simulating %s: %w", s, err)
		}
		all = append(all, r)
	}
	if err := printFeed(out, all); err != nil {
		return err
	}
	return printMachine(out, all)
}
