package issuer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	maxEvent  = 64 << 20 // a snapshot of two million revocations, signed and encoded
	maxField  = 1 << 10  // every line that is not data
	maxFields = 64       // lines of one event
	keepBuf   = 1 << 20  // a buffer that a snapshot made larger than this is let go
)

// errStream is a stream that is not what the feed sends.
var errStream = errors.New("malformed event stream")

// event is one server-sent event. Its id is not kept: the position is in the
// signed frame.
type event struct {
	name string // empty: the default, "message"
	data string
}

// eventReader reads the subset of the event stream format (WHATWG HTML §9.2)
// that a feed is made of: lines that end in LF or CRLF, one data line to an
// event, comments, fields that are not known. It holds one event in memory.
type eventReader struct {
	r    *bufio.Reader
	more func() // called for each piece of a data line: a large event shows life before it is complete
	data bytes.Buffer
}

func newEventReader(r io.Reader, more func()) *eventReader {
	return &eventReader{r: bufio.NewReaderSize(r, 16<<10), more: more}
}

// next returns the next event that has data. An event that the end of the
// stream cuts off is none.
func (e *eventReader) next() (event, error) {
	e.data.Reset()
	if e.data.Cap() > keepBuf {
		e.data = bytes.Buffer{}
	}
	var ev event
	seen, fields := false, 0
	for ; fields < maxFields; fields++ {
		name, value, err := e.field()
		switch {
		case err != nil:
			return event{}, err
		case name == endOfEvent && seen:
			ev.data = e.data.String()
			return ev, nil
		case name == endOfEvent:
			ev, fields = event{}, 0
		case name == "event":
			ev.name = value
		case name == "data" && seen:
			return event{}, fmt.Errorf("%w: second data line", errStream)
		case name == "data":
			seen = true
		}
	}
	return event{}, fmt.Errorf("%w: too many lines in an event", errStream)
}

// What field calls lines that have no field name.
const (
	endOfEvent = "\n"
	comment    = ":"
)

// field reads one line. The value of a data line goes to e.data; every other
// line has to fit the buffer and maxField.
func (e *eventReader) field() (name, value string, err error) {
	line, err := e.r.ReadSlice('\n')
	if isData(line) && e.data.Len() == 0 {
		return "data", "", e.dataLine(line[len("data:"):], err)
	}
	if err != nil {
		return "", "", lineError(err)
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	if len(line) > maxField {
		return "", "", fmt.Errorf("%w: line too long", errStream)
	}
	field, rest, _ := bytes.Cut(line, []byte(":"))
	switch {
	case len(line) == 0:
		return endOfEvent, "", nil
	case len(field) == 0:
		return comment, "", nil
	}
	return string(field), string(bytes.TrimPrefix(rest, []byte(" "))), nil
}

func isData(line []byte) bool { return bytes.HasPrefix(line, []byte("data:")) }

// dataLine collects a data line, of which piece and err are the first read.
func (e *eventReader) dataLine(piece []byte, err error) error {
	for {
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return lineError(err)
		}
		e.more()
		if e.data.Len()+len(piece) > maxEvent {
			return fmt.Errorf("%w: event too large", errStream)
		}
		e.data.Write(piece)
		if err == nil {
			e.trim()
			return nil
		}
		piece, err = e.r.ReadSlice('\n')
	}
}

// trim takes the line end off the data, and the one space that may precede it.
func (e *eventReader) trim() {
	line := bytes.TrimSuffix(e.data.Bytes(), []byte("\n"))
	e.data.Truncate(len(bytes.TrimSuffix(line, []byte("\r"))))
	if bytes.HasPrefix(e.data.Bytes(), []byte(" ")) {
		e.data.Next(1)
	}
}

func lineError(err error) error {
	if errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("%w: line too long", errStream)
	}
	return err
}
