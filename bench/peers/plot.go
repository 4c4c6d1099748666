package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
	"time"
)

// The plot: how long the services that one request passes take together to know
// who is logged in, on a logarithmic scale.
const (
	width, height            = 760, 420
	left, right, top, bottom = 64, 250, 40, 44
	services                 = 20
)

// plot draws those of all that a service would use, each as a line.
func plot(all []*contender) []byte {
	shown := slices.DeleteFunc(slices.Clone(all), func(c *contender) bool { return c.about == "" })
	slices.SortFunc(shown, func(a, b *contender) int { return int(a.median() - b.median()) })
	least, most := decade(shown[0].median()), decade(services*shown[len(shown)-1].median())+1
	x := func(n int) float64 {
		return left + float64(n-1)/float64(services-1)*(width-left-right)
	}
	y := func(d time.Duration) float64 {
		return height - bottom - (math.Log10(float64(d))-float64(least))/float64(most-least)*(height-top-bottom)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/><text x="%d" y="20" font-size="14" fill="#1a1a1a">Time to know who is logged in, of one request through so many services</text>`+"\n", width, height, 12)
	for d := least; d <= most; d++ {
		at := y(time.Duration(math.Pow10(d)))
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555555">%s</text>`+"\n",
			left, width-right, at, at, left-6, at+4, unit(d))
	}
	for _, n := range []int{1, 5, 10, 15, 20} {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555555">%d</text>`+"\n", x(n), height-bottom+18, n)
	}
	label := float64(height)
	for i, c := range shown {
		colour, wide := "#8a8a8a", 1.5
		if i == 0 {
			colour, wide = "#0b6e4f", 3
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="%.1f" points="`, colour, wide)
		for n := 1; n <= services; n++ {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(n), y(time.Duration(n)*c.median()))
		}
		end := y(services * c.median())
		label = min(end+4, label-14) // none over another
		fmt.Fprintf(&b, `"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", x(services)+8, label, colour, html.EscapeString(c.about+", "+short(c.median())+" each"))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func decade(d time.Duration) int { return int(math.Floor(math.Log10(float64(d)))) }

// unit names a power of ten of nanoseconds.
func unit(power int) string {
	return time.Duration(math.Pow10(power)).String()
}
