package issuer

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func readAll(r io.Reader) (events []event, err error) {
	reader := newEventReader(r, func() {})
	for {
		e, err := reader.next()
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

func TestEventsAreReadAsTheFormatSays(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []event
	}{
		"one":                              {"data: a\n\n", []event{{"", "a"}}},
		"with an id":                       {"id: 1\ndata: a\n\n", []event{{"", "a"}}},
		"with a name":                      {"event: keys\ndata: a\n\n", []event{{"keys", "a"}}},
		"the name after the data":          {"data: a\nevent: keys\n\n", []event{{"keys", "a"}}},
		"CRLF":                             {"event: keys\r\ndata: a\r\n\r\n", []event{{"keys", "a"}}},
		"no blank after the colon":         {"data:a\n\n", []event{{"", "a"}}},
		"one blank of two":                 {"data:  a\n\n", []event{{"", " a"}}},
		"two":                              {"data: a\n\ndata: b\n\n", []event{{"", "a"}, {"", "b"}}},
		"the name does not outlive it":     {"event: x\ndata: a\n\ndata: b\n\n", []event{{"x", "a"}, {"", "b"}}},
		"a name without data is no event":  {"event: x\n\ndata: b\n\n", []event{{"", "b"}}},
		"comments":                         {": hi\n:\ndata: a\n: there\n\n", []event{{"", "a"}}},
		"blank lines":                      {"\n\n\ndata: a\n\n\n", []event{{"", "a"}}},
		"unknown fields":                   {"retry: 10\nfoo\nbar: x\ndata: a\n\n", []event{{"", "a"}}},
		"cut off before the end":           {"data: a\n\ndata: b\n", []event{{"", "a"}}},
		"cut off within a line":            {"data: a\n\ndata: b", []event{{"", "a"}}},
		"data longer than the read buffer": {"data: " + strings.Repeat("x", 100<<10) + "\n\n", []event{{"", strings.Repeat("x", 100<<10)}}},
	} {
		for way, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				got, err := readAll(wrap(strings.NewReader(c.in)))
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				if len(got) != len(c.want) {
					t.Fatalf("%d events, want %d", len(got), len(c.want))
				}
				for i := range got {
					if got[i] != c.want[i] {
						t.Errorf("event %d is %.80q, want %.80q", i, got[i], c.want[i])
					}
				}
			})
		}
	}
}

func TestAnEventIsThereWithItsBlankLine(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	go func() { _, _ = io.WriteString(w, "data: a\n\n") }() // and the connection stays open
	got, err := newEventReader(r, func() {}).next()
	if err != nil || got.data != "a" {
		t.Errorf("%q, %v", got, err)
	}
}

// endless gives the same piece for ever.
type endless struct{ piece string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.piece), nil }

func TestWhatTheFeedNeverSendsIsRefused(t *testing.T) {
	for name, in := range map[string]io.Reader{
		"two data lines":       strings.NewReader("data: a\ndata: b\n\n"),
		"an empty and another": strings.NewReader("data:\ndata: b\n\n"),
		"a long comment":       strings.NewReader(":" + strings.Repeat("x", 2000) + "\n"),
		"a long name":          strings.NewReader("event: " + strings.Repeat("x", 2000) + "\n"),
		"a line without end":   endless{"x"},
		"data without end":     io.MultiReader(strings.NewReader("data:"), endless{strings.Repeat("x", 1<<12)}),
		"fields without end":   endless{"foo: bar\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readAll(in); !errors.Is(err, errStream) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOnlyDataIsASignOfLife(t *testing.T) {
	signs := 0
	r := newEventReader(strings.NewReader(": hi\n\n: hi\nevent: keys\nid: 3\n\n"), func() { signs++ })
	_, _ = r.next()
	if signs != 0 {
		t.Errorf("%d signs of life without data", signs)
	}
	r = newEventReader(iotest.OneByteReader(strings.NewReader("data: "+strings.Repeat("x", 64<<10)+"\n\n")), func() { signs++ })
	_, _ = r.next()
	if signs < 2 {
		t.Errorf("%d signs of life in a large event", signs)
	}
}

func TestWhatIsWrittenAsEventsIsRead(t *testing.T) {
	line := rapid.StringMatching(`[!-~][ -~]{0,40}`)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Custom(func(t *rapid.T) event {
			return event{name: rapid.SampledFrom([]string{"", "keys", "bye"}).Draw(t, "name"), data: line.Draw(t, "data")}
		})).Draw(t, "events")
		var text strings.Builder
		for _, e := range want {
			if e.name != "" {
				text.WriteString("event: " + e.name + "\n")
			}
			text.WriteString("data: " + e.data + "\n\n")
		}
		got, err := readAll(strings.NewReader(text.String()))
		if !errors.Is(err, io.EOF) || len(got) != len(want) {
			t.Fatalf("%d events, want %d: %v", len(got), len(want), err)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("event %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	for _, s := range []string{"data: a\n\n", "event: keys\r\ndata:b\r\n\r\n", ":\n", "data", "data:\n\n", "\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		events, err := readAll(strings.NewReader(in))
		if err == nil {
			t.Fatal("no error at the end")
		}
		size := 0
		for _, e := range events {
			size += len(e.name) + len(e.data)
			if strings.Contains(e.name+e.data, "\n") {
				t.Fatalf("event %q has a line end", e)
			}
		}
		if size > len(in) {
			t.Fatalf("%d bytes out of %d", size, len(in))
		}
	})
}
