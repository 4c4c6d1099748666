// Peers measures what it costs a service to know who is logged in: with Sealring's
// guard, with other middleware and libraries, with sessions in a store, and with
// asking the issuer. All run in one process, in turns, so that whatever else the
// machine does meets all of them alike; what counts are the ratios.
//
//	go run . -svg cost.svg
//
// It starts a redis-server on loopback, and nothing leaves the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

func main() {
	rounds := flag.Int("rounds", 21, "turns of each")
	turn := flag.Duration("turn", 20*time.Millisecond, "length of a turn, about")
	svg := flag.String("svg", "", "file for a plot of the cost by the number of services")
	flag.Parse()
	if err := run(*rounds, *turn, *svg); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(rounds int, turn time.Duration, svg string) error {
	all, stop, err := contenders()
	if err != nil {
		return err
	}
	defer stop()
	for _, c := range all {
		if err := c.try(); err != nil {
			return err
		}
	}
	measure(all, rounds, turn, func(done int) { fmt.Fprintf(os.Stderr, "\r%d of %d turns", done, rounds) })
	fmt.Fprintln(os.Stderr)
	fmt.Printf("%s %s/%s, %d cores; medians of %d turns, each of them between the others'\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), rounds)
	printTable(os.Stdout, all)
	a, err := newAuth(keys.ES256)
	if err != nil {
		return err
	}
	bare, guarded, ratio, err := throughput(a, rounds, 10*turn)
	if err != nil {
		return err
	}
	fmt.Printf("\nA chi service on loopback: %.0f requests a second bare, %.0f behind the guard, %.3f of them\n", bare, guarded, ratio)
	if svg == "" {
		return nil
	}
	return os.WriteFile(svg, plot(all), 0o644)
}
