package tokens

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// The texts of a token are squeezed with DEFLATE (RFC 1951) where that makes
// them smaller. They are the issuer's own, and nothing that a user chooses
// freely, such as the session's data, is ever squeezed along with them: else
// the length of a cookie would tell of its content (CRIME).

// maxTexts bounds what squeezed texts may swell to: more than a token of
// MaxTokenLen can hold.
const maxTexts = 8 << 10

// dictionary is what DEFLATE knows beforehand, the commonest last: a byte of it
// may change only with the version of the plaintext.
const dictionary = "" +
	"department:organization:customer:inventory:warehouse:shipping:payment:invoice:catalog:product:" +
	"analytics:dashboard:notification:message:comment:document:project:workspace:tenant:team:" +
	"account:billing:support:auditor:developer:operator:manager:editor:viewer:member:owner:guest:" +
	":approve:export:import:publish:execute:create:update:delete:list:manage:admin:" +
	"user:users:order:orders:report:reports:profile:email:openid:offline_access:" +
	".com.org.net.ioapi.auth.localhost:8080https://http://login:read:write"

var squeezers = sync.Pool{New: func() any {
	w, _ := flate.NewWriterDict(io.Discard, flate.BestCompression, []byte(dictionary))
	return w
}}

var unsqueezers = sync.Pool{New: func() any {
	return flate.NewReaderDict(bytes.NewReader(nil), []byte(dictionary))
}}

// squeeze is a shortener.
func squeeze(texts []byte) ([]byte, bool) {
	if len(texts) > maxTexts {
		return nil, false
	}
	w := squeezers.Get().(*flate.Writer)
	defer squeezers.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	_, _ = w.Write(texts) // into memory: does not fail
	_ = w.Close()
	return out.Bytes(), out.Len() < len(texts)
}

// unsqueeze reads what squeeze has made: of at most maxTexts, and nothing more.
func unsqueeze(squeezed []byte) ([]byte, bool) {
	r := unsqueezers.Get().(io.ReadCloser)
	defer unsqueezers.Put(r)
	in := bytes.NewReader(squeezed)
	_ = r.(flate.Resetter).Reset(in, []byte(dictionary)) // of memory: does not fail
	out := make([]byte, 0, 4*len(squeezed)+64)
	for {
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := r.Read(out[len(out):min(cap(out), maxTexts+1)])
		out = out[:len(out)+n]
		if err == io.EOF {
			return out, len(out) <= maxTexts && in.Len() == 0
		}
		if err != nil || len(out) > maxTexts {
			return nil, false
		}
	}
}
