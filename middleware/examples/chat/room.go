package main

import "sync"

// message is what travels: from a browser only its text counts. The first to each
// browser has the name of its WebSocket, and of itself.
type message struct {
	Socket string `json:"socket,omitempty"`
	From   string `json:"from,omitempty"` // a subject
	Text   string `json:"text,omitempty"`
}

// backlog is how many messages a member may be behind.
const backlog = 32

// member is one WebSocket in the room. Its channel is closed when it is no longer
// in it.
type member struct {
	subject string
	told    chan message
}

// room is everybody who is here. The zero value is an empty one.
type room struct {
	mu      sync.Mutex
	members map[*member]struct{}
}

// enter has the member told something before all else.
func (r *room) enter(subject string, first message) *member {
	m := &member{subject, make(chan message, backlog)}
	m.told <- first
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members == nil {
		r.members = map[*member]struct{}{}
	}
	r.members[m] = struct{}{}
	return m
}

func (r *room) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(m)
}

// say tells everybody. Who can not keep up is put out: nobody waits for it.
func (r *room) say(said message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.members {
		select {
		case m.told <- said:
		default:
			r.remove(m)
		}
	}
}

func (r *room) remove(m *member) {
	if _, here := r.members[m]; here {
		delete(r.members, m)
		close(m.told)
	}
}
