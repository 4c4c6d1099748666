package tokens

// skip reads any one value and forgets it, as strictly as the rest.
func (r *reader) skip() error {
	switch c := r.peek(); {
	case c == '{':
		return r.skipObject()
	case c == '[':
		return r.skipArray()
	case c == '"':
		_, err := r.text(len(r.in))
		return err
	case c == 't':
		return r.literal("true")
	case c == 'f':
		return r.literal("false")
	case c == 'n':
		return r.literal("null")
	}
	_, err := r.number()
	return err
}

func (r *reader) skipObject() error {
	o, err := r.object()
	if err != nil {
		return err
	}
	for {
		_, more, err := o.next()
		if err != nil || !more {
			return err
		}
		if err := r.skip(); err != nil {
			return err
		}
	}
}

func (r *reader) skipArray() error {
	a, err := r.array()
	if err != nil {
		return err
	}
	for {
		more, err := a.next()
		if err != nil || !more {
			return err
		}
		if err := r.skip(); err != nil {
			return err
		}
	}
}

// literal consumes one of the three words. That it ends where it should is
// seen by whoever reads on: after a value only , ] } or the end can stand.
func (r *reader) literal(word string) error {
	r.space()
	if len(r.in)-r.pos < len(word) || r.in[r.pos:r.pos+len(word)] != word {
		return faultSyntax
	}
	r.pos += len(word)
	return nil
}

// checkObject reports what is wrong with a document that is to be an object.
func checkObject(doc string) error {
	r, err := newReader(doc)
	if err != nil {
		return err
	}
	if err := r.skipObject(); err != nil {
		return err
	}
	return r.end()
}

// checkDocument reports what is wrong with a document that may be any value.
func checkDocument(doc string) error {
	r, err := newReader(doc)
	if err != nil {
		return err
	}
	if err := r.skip(); err != nil {
		return err
	}
	return r.end()
}
