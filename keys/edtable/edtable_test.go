package edtable

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/edwards25519"
)

// tabled is a key with its multiples, however few it has verified.
func tabled(public ed25519.PublicKey) *Key {
	k := New(public)
	k.compute()
	k.uses.Store(worth)
	return k
}

// order is L, of the group that B generates.
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// smallOrder are the points whose eighth multiple is zero, in each encoding that
// SetBytes takes, and encodings near them that it does not.
var smallOrder = func() (all [][]byte) {
	for _, text := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080", // -0
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p, for 0
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p+1, for 1
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 2^255-1, for 18
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p+3, for 3
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			panic(err)
		}
		all = append(all, b)
	}
	return all
}()

// source draws cases. Half of what it draws is what a forger would try.
type source struct{ *rand.Rand }

func (s source) fill(b []byte) []byte {
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return b
}

func (s source) point() *edwards25519.Point {
	k, err := edwards25519.NewScalar().SetUniformBytes(s.fill(make([]byte, 64)))
	if err != nil {
		panic(err)
	}
	return edwards25519.NewIdentityPoint().ScalarBaseMult(k)
}

// small is a point of small order.
func (s source) small() *edwards25519.Point {
	for {
		if p, err := new(edwards25519.Point).SetBytes(smallOrder[s.IntN(len(smallOrder))]); err == nil {
			return p
		}
	}
}

// scalar is the 32 bytes of one that is canonical, or of what must not be taken for
// it.
func (s source) scalar() []byte {
	n := new(big.Int).SetBytes(s.fill(make([]byte, 32)))
	n.Mod(n, order)
	switch s.IntN(6) {
	case 0:
		n.SetInt64(int64(s.IntN(3)))
	case 1:
		n.Sub(order, big.NewInt(int64(s.IntN(3)-1))) // L-1, L, L+1
	case 2:
		n.Add(n, order)
	case 3:
		n.SetBytes(s.fill(make([]byte, 32)))
	}
	out := n.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	return out
}

// public is a public key, with its private half if there is one.
func (s source) public() (ed25519.PublicKey, ed25519.PrivateKey) {
	private := ed25519.NewKeyFromSeed(s.fill(make([]byte, 32)))
	public := private.Public().(ed25519.PublicKey)
	switch s.IntN(8) {
	case 0:
		return bytes.Clone(smallOrder[s.IntN(len(smallOrder))]), nil
	case 1: // of mixed order
		a, err := new(edwards25519.Point).SetBytes(public)
		if err != nil {
			panic(err)
		}
		return a.Add(a, s.small()).Bytes(), private
	case 2: // mostly no point
		return s.fill(make([]byte, 32)), nil
	case 3:
		public[31] ^= 0x80 // -A
		return public, private
	}
	return public, private
}

// signature is one for the message, or nearly.
func (s source) signature(public ed25519.PublicKey, private ed25519.PrivateKey, message []byte) []byte {
	sig := s.fill(make([]byte, 64))
	if private != nil {
		sig = s.sign(public, private, message)
	}
	switch s.IntN(10) {
	case 0: // R of small order, or encoded otherwise
		copy(sig, smallOrder[s.IntN(len(smallOrder))])
	case 1:
		copy(sig[32:], s.scalar())
	case 2: // S + L
		le := bytes.Clone(sig[32:])
		slices.Reverse(le)
		n := new(big.Int).SetBytes(le)
		if n.Add(n, order); n.BitLen() <= 256 {
			n.FillBytes(le)
			slices.Reverse(le)
			copy(sig[32:], le)
		}
	case 3:
		sig[s.IntN(64)] ^= 1 << s.IntN(8)
	case 4: // what a small public key makes good
		copy(sig, smallOrder[s.IntN(len(smallOrder))])
		copy(sig[32:], make([]byte, 32))
	case 5: // R of mixed order
		if r, err := new(edwards25519.Point).SetBytes(sig[:32]); err == nil {
			copy(sig, r.Add(r, s.small()).Bytes())
		}
	case 6:
		return sig[:s.IntN(65)]
	}
	return sig
}

// sign signs for this very public key, which may be of mixed order.
func (s source) sign(public ed25519.PublicKey, private ed25519.PrivateKey, message []byte) []byte {
	if own := private.Public().(ed25519.PublicKey); own.Equal(public) {
		return ed25519.Sign(private, message)
	}
	sig := ed25519.Sign(private, message)
	if s.IntN(2) == 0 {
		copy(sig, s.point().Bytes())
	}
	return sig
}

// What the table accepts the standard library accepts, and the reverse: random
// signatures, those of forgers, and points and scalars that are encoded otherwise
// or of small or mixed order. SEALRING_FULL=1: 10,000,000 cases.
func TestItAcceptsExactlyWhatTheStandardLibraryDoes(t *testing.T) {
	keys, each := 20, 1500
	if os.Getenv("SEALRING_FULL") != "" {
		keys, each = 5000, 2000
	}
	seed := uint64(time.Now().UnixNano())
	var good, bad atomic.Int64
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := next.Add(1); n <= int64(keys) && !t.Failed(); n = next.Add(1) {
				s := source{rand.New(rand.NewPCG(seed, uint64(n)))}
				public, private := s.public()
				k := tabled(public)
				for range each {
					message := s.fill(make([]byte, s.IntN(200)))
					sig := s.signature(public, private, message)
					want := ed25519.Verify(public, message, sig)
					if got := k.Verify(message, sig); got != want {
						t.Errorf("seed %d: %v, the standard library says %v: key %x, message %x, signature %x", seed, got, want, public, message, sig)
						return
					}
					if want {
						good.Add(1)
					} else {
						bad.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d accepted, %d refused by both", good.Load(), bad.Load())
	if min(good.Load(), bad.Load()) < int64(keys*each)/20 {
		t.Error("nearly all cases come out alike: this test sees little")
	}
}

// Each key of small order has signatures that any message makes good: by both.
func TestSmallOrdersAreNoExceptionAndNoHole(t *testing.T) {
	accepted := 0
	for _, public := range smallOrder {
		k := tabled(public)
		for _, r := range smallOrder {
			for n := range 20 {
				message, sig := fmt.Appendf(nil, "message %d", n), append(bytes.Clone(r), make([]byte, 32)...)
				want := ed25519.Verify(public, message, sig)
				if got := k.Verify(message, sig); got != want {
					t.Errorf("key %x, R %x: %v, want %v", public, r, got, want)
				}
				if want {
					accepted++
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("no case was one that is accepted")
	}
}

func TestTheMultiplesAreThose(t *testing.T) {
	p := source{rand.New(rand.NewPCG(1, 2))}.point()
	table := newTable(p)
	for _, at := range []struct{ digit, half int }{{0, 0}, {0, 127}, {1, 0}, {7, 99}, {31, 0}, {31, 127}} {
		n := new(big.Int).Lsh(big.NewInt(int64(at.half+1)), uint(8*at.digit))
		n.Mod(n, order)
		le := n.FillBytes(make([]byte, 32))
		slices.Reverse(le)
		k, err := edwards25519.NewScalar().SetCanonicalBytes(le)
		if err != nil {
			t.Fatal(err)
		}
		want := edwards25519.NewIdentityPoint().ScalarMult(k, p)
		var sum point
		sum.zero()
		sum.add(&table[at.digit][at.half])
		if got := sum.bytes(); !bytes.Equal(got[:], want.Bytes()) {
			t.Errorf("%d times 256^%d: %x, want %x", at.half+1, at.digit, got, want.Bytes())
		}
		sum.subtract(&table[at.digit][at.half])
		if got := sum.bytes(); got != [32]byte{1} {
			t.Errorf("less itself: %x", got)
		}
	}
}

func TestAKeyIsTabledOnceItIsWorthIt(t *testing.T) {
	s := source{rand.New(rand.NewPCG(3, 4))}
	private := ed25519.NewKeyFromSeed(s.fill(make([]byte, 32)))
	k := New(private.Public().(ed25519.PublicKey))
	sig := ed25519.Sign(private, []byte("x"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range worth {
				if !k.Verify([]byte("x"), sig) || k.Verify([]byte("y"), sig) {
					t.Error("a wrong verdict")
				}
			}
		})
	}
	all.Wait()
	if k.table.Load() == nil {
		t.Error("there is no table")
	}
	for _, public := range []ed25519.PublicKey{nil, make([]byte, 31), bytes.Repeat([]byte{0xFF}, 32)} {
		if k := tabled(public[:min(len(public), 32)]); k.Verify([]byte("x"), sig) {
			t.Errorf("%x verifies", public)
		}
	}
}

// of-std is the time of a verification over that of the standard library, in turns.
func BenchmarkVerify(b *testing.B) {
	s := source{rand.New(rand.NewPCG(5, 6))}
	private := ed25519.NewKeyFromSeed(s.fill(make([]byte, 32)))
	public := private.Public().(ed25519.PublicKey)
	message := s.fill(make([]byte, 500))
	sig, k := ed25519.Sign(private, message), tabled(public)
	var ratios []float64
	for b.Loop() {
		ours := timed(func() { k.Verify(message, sig) })
		ratios = append(ratios, ours/timed(func() { ed25519.Verify(public, message, sig) }))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "of-std")
}

func timed(f func()) float64 {
	start := time.Now()
	for range 20 {
		f()
	}
	return float64(time.Since(start))
}

func BenchmarkCompute(b *testing.B) {
	for b.Loop() {
		newTable(edwards25519.NewGeneratorPoint())
	}
}

func FuzzVerify(f *testing.F) {
	s := source{rand.New(rand.NewPCG(7, 8))}
	private := ed25519.NewKeyFromSeed(s.fill(make([]byte, 32)))
	f.Add([]byte(private.Public().(ed25519.PublicKey)), []byte("x"), ed25519.Sign(private, []byte("x")))
	for _, small := range smallOrder {
		f.Add(small, []byte("x"), append(bytes.Clone(small), make([]byte, 32)...))
	}
	f.Fuzz(func(t *testing.T, public, message, sig []byte) {
		if len(public) != ed25519.PublicKeySize {
			if New(public).Verify(message, sig) {
				t.Error("what is no key verifies")
			}
			return
		}
		if got, want := tabled(public).Verify(message, sig), ed25519.Verify(public, message, sig); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
