package main

import "testing"

func TestEveryKeyCommandHasADryRunAndJSON(t *testing.T) {
	seen := 0
	for _, c := range newApp(nil, nil, nil, nil).keysCommand().Commands() {
		seen++
		if c.Flags().Lookup("output") == nil {
			t.Errorf("keys %s has no -o", c.Name())
		}
		if c.Flags().Lookup("dry-run") == nil {
			t.Errorf("keys %s has no --dry-run", c.Name())
		}
	}
	if seen < 8 {
		t.Errorf("%d commands: this test sees nothing", seen)
	}
}
