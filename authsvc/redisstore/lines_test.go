package redisstore

import (
	"bytes"
	"strings"
	"sync"
)

// lines keeps what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// count tells how many lines contain a text.
func (l *lines) count(text string) (n int) {
	for _, line := range strings.Split(l.String(), "\n") {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
