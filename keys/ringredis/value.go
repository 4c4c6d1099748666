package ringredis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sealring-dev/sealring/keys"
	"github.com/sealring-dev/sealring/keys/ringfile"
)

// box makes values out of rings, and rings out of values.
type box struct {
	namespace string
	masters   []ringfile.MasterKey // the first seals, all open
}

// seal makes the value and makes sure that it can be read again.
func (b *box) seal(ring *keys.Ring) (string, error) {
	sealed, err := ringfile.SealFor(b.namespace, ring, b.masters[0])
	if err != nil {
		return "", err
	}
	value := strconv.FormatUint(ring.Generation(), 10) + ":" + string(sealed)
	if _, err := b.unseal(value); err != nil {
		return "", fmt.Errorf("reading back what would be written: %w", err)
	}
	return value, nil
}

func (b *box) unseal(value string) (*keys.Ring, error) {
	number, sealed, ok := strings.Cut(value, ":")
	if !ok || len(number) > 20 {
		return nil, fmt.Errorf("%w: no generation stands before it", ringfile.ErrDamaged)
	}
	ring, err := ringfile.UnsealFor(b.namespace, []byte(sealed), b.masters...)
	if err != nil {
		return nil, err
	}
	if number != strconv.FormatUint(ring.Generation(), 10) {
		return nil, fmt.Errorf("%w: generation %d is inside, outside stands another", ringfile.ErrDamaged, ring.Generation())
	}
	return ring, nil
}
