package redisstore

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/tokens/revocation"
)

func parseAll(list []any) (all []appended, err error) {
	for _, item := range list {
		one, err := parseAppended(item)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// parseAppended reads an entry of a stream as Redis returns it: the id, and
// the fields with their values. The first value is what the cursor is known
// by, whoever wrote it.
func parseAppended(item any) (a appended, err error) {
	pair, _ := item.([]any)
	if len(pair) != 2 {
		return a, errDamagedLog
	}
	id, _ := pair[0].(string)
	fields, _ := pair[1].([]any)
	var ok bool
	if a.cursor, ok = parseID(id); !ok || len(fields) < 2 {
		return a, fmt.Errorf("%w: entry %q", errDamagedLog, id)
	}
	a.nonce, _ = fields[1].(string)
	if len(fields) != 6 || fields[0] != "n" || fields[4] != "e" {
		a.damage = fmt.Errorf("append %q: %w: it has other fields", id, errDamagedLog)
		return a, nil
	}
	text, _ := fields[5].(string)
	if a.entries, err = parseBlob(text); err != nil {
		a.damage = fmt.Errorf("append %q: %w", id, err)
	}
	return a, nil
}

// parseID reads the id of a stream's entry.
func parseID(id string) (revocation.Cursor, bool) {
	ms, seq, _ := strings.Cut(id, "-")
	m, err1 := strconv.ParseUint(ms, 10, 64)
	n, err2 := strconv.ParseUint(seq, 10, 32)
	return revocation.Cursor{Ms: m, Seq: uint32(n)}, err1 == nil && err2 == nil
}

// blob writes entries as the log keeps them: 29 bytes each, big-endian.
func blob(entries []revocation.Entry) []byte {
	b := make([]byte, 0, entryBytes*len(entries))
	for _, e := range entries {
		b = append(append(b, byte(e.Type)), e.ID[:]...)
		b = binary.BigEndian.AppendUint32(b, e.T)
		b = binary.BigEndian.AppendUint32(b, e.Made)
		b = binary.BigEndian.AppendUint32(b, e.Exp)
	}
	return b
}

// parseBlob reads what blob wrote. What it can not read it leaves out, with an
// error: a replica that stopped there would soon know nothing new at all, and
// whoever can spoil an entry could as well have deleted it.
func parseBlob(text string) (entries []revocation.Entry, err error) {
	if len(text)%entryBytes != 0 {
		err = errDamagedLog
	}
	for b := []byte(text); len(b) >= entryBytes; b = b[entryBytes:] {
		e := revocation.Entry{
			Type: revocation.Type(b[0]), ID: [16]byte(b[1:17]),
			T: binary.BigEndian.Uint32(b[17:]), Made: binary.BigEndian.Uint32(b[21:]), Exp: binary.BigEndian.Uint32(b[25:]),
		}
		if e.Validate() != nil {
			err = errDamagedLog
			continue
		}
		entries = append(entries, e)
	}
	return entries, err
}
