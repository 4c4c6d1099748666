package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// spareFile is the file of authsvc.Spare: a JSON object of numbers by kid. It
// is no secret, but whoever raises a number makes a key seal more than it may.
type spareFile string

func (f spareFile) Load() (map[string]uint64, error) {
	text, err := privateFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var aside map[string]uint64
	if err := json.Unmarshal([]byte(text), &aside); err != nil {
		return nil, fmt.Errorf("reading %s: %w", f, err)
	}
	return aside, nil
}

// Store syncs the folder too: after a power cut, what was taken out must not be
// there again.
func (f spareFile) Store(aside map[string]uint64) error {
	raw, err := json.Marshal(aside)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(string(f), append(raw, '\n'), 0o600); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
