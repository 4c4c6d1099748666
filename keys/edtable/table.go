package edtable

import (
	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

const (
	digits  = 32  // of a scalar, a byte each
	halves  = 128 // a digit is from -128 to 128
	another = 256 // what a digit is worth more than the one before
)

// table are the multiples 1 to 128 of 256^i·P, for each digit i.
type table [digits][halves]kept

// kept is a point that is added often, in the form in which that is quickest.
type kept struct {
	sum, difference, product field.Element // y+x, y-x, 2dxy
}

// twice is 2d, of the curve -x² + y² = 1 + dx²y².
var twice = func() *field.Element {
	num := new(field.Element).Mult32(new(field.Element).One(), 121665)
	den := new(field.Element).Mult32(new(field.Element).One(), 121666)
	d := new(field.Element).Multiply(num.Negate(num), den.Invert(den))
	return d.Add(d, d)
}()

// newTable computes them: 4,096 additions, and one inversion for all of them.
func newTable(p *edwards25519.Point) *table {
	all := make([]*edwards25519.Point, 0, digits*halves)
	first := new(edwards25519.Point).Set(p)
	for range digits {
		at := new(edwards25519.Point).Set(first)
		for range halves {
			all = append(all, new(edwards25519.Point).Set(at))
			at.Add(at, first)
		}
		last := all[len(all)-1]                         // 128 times the first
		first = new(edwards25519.Point).Add(last, last) // 256 times
	}
	t := new(table)
	zs := make([]field.Element, len(all))
	for i, q := range all {
		_, _, z, _ := q.ExtendedCoordinates()
		zs[i].Set(z)
	}
	invert(zs)
	for i, q := range all {
		x, y, _, _ := q.ExtendedCoordinates()
		x.Multiply(x, &zs[i])
		y.Multiply(y, &zs[i])
		k := &t[i/halves][i%halves]
		k.sum.Add(y, x)
		k.difference.Subtract(y, x)
		k.product.Multiply(k.product.Multiply(x, y), twice)
	}
	return t
}

// invert inverts all of them at the price of one, and three multiplications for
// each. None is zero.
func invert(all []field.Element) {
	products := make([]field.Element, len(all)) // of those before
	one := new(field.Element).One()
	product := new(field.Element).Set(one)
	for i := range all {
		products[i].Set(product)
		product.Multiply(product, &all[i])
	}
	product.Invert(product)
	for i := len(all) - 1; i >= 0; i-- {
		var inverse field.Element
		inverse.Multiply(product, &products[i])
		product.Multiply(product, &all[i])
		all[i].Set(&inverse)
	}
}

// add adds s·P to the sum.
func (t *table) add(sum *point, s *edwards25519.Scalar) {
	carry := 0
	for i, b := range s.Bytes() {
		d := int(b) + carry
		carry = 0
		if d > halves {
			d -= another
			carry = 1
		}
		switch {
		case d > 0:
			sum.add(&t[i][d-1])
		case d < 0:
			sum.subtract(&t[i][-d-1])
		}
	}
	// A scalar is below 2^253, so the last digit is below 32 and carries nothing.
}

// point is a point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z.
type point struct{ x, y, z, t field.Element }

func (p *point) zero() {
	p.x.Zero()
	p.y.One()
	p.z.One()
	p.t.Zero()
}

func (p *point) add(q *kept) {
	var a, b, c, d, sum, difference field.Element
	a.Multiply(a.Subtract(&p.y, &p.x), &q.difference)
	b.Multiply(b.Add(&p.y, &p.x), &q.sum)
	c.Multiply(&p.t, &q.product)
	d.Add(&p.z, &p.z)
	p.finish(&a, &b, difference.Subtract(&d, &c), sum.Add(&d, &c))
}

// subtract adds the negative, of which x and xy have the other sign.
func (p *point) subtract(q *kept) {
	var a, b, c, d, sum, difference field.Element
	a.Multiply(a.Subtract(&p.y, &p.x), &q.sum)
	b.Multiply(b.Add(&p.y, &p.x), &q.difference)
	c.Multiply(&p.t, &q.product)
	d.Add(&p.z, &p.z)
	p.finish(&a, &b, sum.Add(&d, &c), difference.Subtract(&d, &c))
}

func (p *point) finish(a, b, f, g *field.Element) {
	var e, h field.Element
	e.Subtract(b, a)
	h.Add(b, a)
	p.x.Multiply(&e, f)
	p.y.Multiply(g, &h)
	p.z.Multiply(f, g)
	p.t.Multiply(&e, &h)
}

// bytes encodes the point (RFC 8032 §5.1.2).
func (p *point) bytes() (out [32]byte) {
	var inverse, x, y field.Element
	inverse.Invert(&p.z)
	x.Multiply(&p.x, &inverse)
	y.Multiply(&p.y, &inverse)
	copy(out[:], y.Bytes())
	out[31] |= byte(x.IsNegative() << 7)
	return out
}
