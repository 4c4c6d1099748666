package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sealring-dev/sealring/keys"
)

// Everybody who takes part serves a good request and refuses a bad one, and is in
// the table; what is drawn is well formed.
func TestEverybodyKnowsWhoIsLoggedIn(t *testing.T) {
	all, stop, err := contenders()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	judged := 0
	for _, c := range all {
		if err := c.try(); err != nil {
			t.Error(err)
		}
		if c.bad != nil {
			judged++
		}
	}
	if judged < 10 {
		t.Errorf("only %d were shown a bad request", judged)
	}
	measure(all, 1, time.Millisecond, func(int) {})
	var table bytes.Buffer
	printTable(&table, all)
	for _, c := range all {
		if !strings.Contains(table.String(), c.name) || c.median() <= 0 {
			t.Errorf("%s: %v", c.name, c.median())
		}
	}
	a, err := newAuth(keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ratio, err := throughput(a, 1, 50*time.Millisecond); err != nil || ratio <= 0 {
		t.Errorf("a service on loopback: %v, %v", ratio, err)
	}
	for d := xml.NewDecoder(bytes.NewReader(plot(all))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
