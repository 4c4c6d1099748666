package tokens

import "encoding/base64"

// strict64 is base64url without padding that refuses spare bits. It alone is
// not enough: encoding/base64 skips CR and LF. Hence canonical.
var strict64 = base64.RawURLEncoding.Strict()

// urlSafe is the set A-Z a-z 0-9 - _ as a bit map.
var urlSafe = [4]uint64{
	1<<'-' | (1<<10-1)<<'0',
	(1<<26-1)<<('A'-64) | 1<<('_'-64) | (1<<26-1)<<('a'-64),
}

// canonical reports whether s is exactly what encoding some bytes in base64url
// without padding gives (RFC 7515 §2): decoding and encoding again gives s. It
// needs no memory, so that it can be asked of anything.
func canonical(s string) bool {
	bad, rest := byte(0), s
	for ; len(rest) >= 8; rest = rest[8:] { // which do not wait for each other
		bad |= unsafe64[rest[0]] | unsafe64[rest[1]] | unsafe64[rest[2]] | unsafe64[rest[3]] |
			unsafe64[rest[4]] | unsafe64[rest[5]] | unsafe64[rest[6]] | unsafe64[rest[7]]
	}
	for i := range len(rest) {
		bad |= unsafe64[rest[i]]
	}
	return bad == 0 && spareBitsZero(s)
}

// unsafe64 is 1 for what is not in urlSafe. The scan above has no branch that
// depends on what is in it.
var unsafe64 = func() (bad [256]byte) {
	for c := range bad {
		bad[c] = byte(^urlSafe[c>>6] >> (c & 63) & 1)
	}
	return bad
}()

// spareBitsZero looks at the last character: after 8n bits of content, 2 or 4
// bits of it carry nothing and are zero (RFC 4648 §3.5). A single character
// more than whole groups cannot carry a byte at all.
func spareBitsZero(s string) bool {
	var spare uint32
	switch len(s) % 4 {
	case 0:
		return true
	case 1:
		return false
	case 2:
		spare = 1<<4 - 1
	case 3:
		spare = 1<<2 - 1
	}
	return sextet(s[len(s)-1])&spare == 0
}

// sextet is the value of a character of the alphabet.
func sextet(c byte) uint32 {
	switch {
	case c >= 'a':
		return uint32(c-'a') + 26
	case c == '_':
		return 63
	case c >= 'A':
		return uint32(c - 'A')
	case c >= '0':
		return uint32(c-'0') + 52
	}
	return 62
}

// encodedLen is the number of characters for n bytes.
func encodedLen(n int) int { return base64.RawURLEncoding.EncodedLen(n) }

// decode returns the bytes of a part that the gate has found canonical.
func decode(s string) ([]byte, error) { return strict64.DecodeString(s) }
