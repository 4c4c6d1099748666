package users

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// The PHC string format of Argon2: $argon2id$v=19$m=19456,t=2,p=1$SALT$SUM,
// with unpadded standard base64. There is one spelling of each hash here:
// what does not come out again as it went in is refused.
const phcHead = "$argon2id$v=19$"

var phcEncoding = base64.RawStdEncoding

func (h hash) String() string {
	return fmt.Sprintf("%sm=%d,t=%d,p=%d$%s$%s", phcHead, h.Memory, h.Time, h.Lanes,
		phcEncoding.EncodeToString(h.salt), phcEncoding.EncodeToString(h.sum))
}

// parsePHC reads a hash strictly. Its errors never quote the string: salt and
// sum are as good as the password to somebody with patience.
func parsePHC(s string) (hash, error) {
	body, ok := strings.CutPrefix(s, phcHead)
	parts := strings.Split(body, "$")
	if !ok || len(parts) != 3 {
		return hash{}, fmt.Errorf("%w: not of the form %sm=…,t=…,p=…$salt$sum", ErrHash, phcHead)
	}
	p, err := parseParams(parts[0])
	if err != nil {
		return hash{}, err
	}
	salt, err1 := phcEncoding.DecodeString(parts[1])
	sum, err2 := phcEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil {
		return hash{}, fmt.Errorf("%w: salt or sum is not unpadded base64", ErrHash)
	}
	h := hash{p, salt, sum}
	if len(salt) < minSalt || len(salt) > maxSalt || len(sum) < minSum || len(sum) > maxSum {
		return hash{}, fmt.Errorf("%w: salt or sum too short or too long", ErrHash)
	}
	// Base64 decoders skip line ends and spare bits, number parsers take
	// leading zeros.
	if h.String() != s {
		return hash{}, fmt.Errorf("%w: not in its one canonical spelling", ErrHash)
	}
	return h, nil
}

func parseParams(s string) (Params, error) {
	var p Params
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return p, fmt.Errorf("%w: want the parameters m, t and p", ErrHash)
	}
	var v [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], name)
		n, err := strconv.ParseUint(digits, 10, []int{32, 32, 8}[i])
		if !ok || err != nil {
			return p, fmt.Errorf("%w: parameter %s is not a number", ErrHash, name[:1])
		}
		v[i] = n
	}
	p = Params{Memory: uint32(v[0]), Time: uint32(v[1]), Lanes: uint8(v[2])}
	if !p.usable() {
		return p, fmt.Errorf("%w: parameters out of bounds", ErrHash)
	}
	return p, nil
}
