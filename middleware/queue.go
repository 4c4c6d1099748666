package middleware

// queue is first in, first out, and counts bytes.
type queue struct {
	first, last    *verified
	n, bytes, most int
}

func (q *queue) push(v *verified) {
	v.ahead, v.behind = q.last, nil
	if q.last == nil {
		q.first = v
	} else {
		q.last.behind = v
	}
	q.last = v
	q.n, q.bytes = q.n+1, q.bytes+v.size
}

func (q *queue) remove(v *verified) {
	if v.ahead == nil {
		q.first = v.behind
	} else {
		v.ahead.behind = v.behind
	}
	if v.behind == nil {
		q.last = v.ahead
	} else {
		v.behind.ahead = v.ahead
	}
	q.n, q.bytes = q.n-1, q.bytes-v.size
}
