package authsvc

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// palettes are the colours of the style sheet: in the light, and in the dark.
func palettes(t *testing.T) [2]map[string]float64 {
	t.Helper()
	var both [2]map[string]float64
	for i, colours := range coloursOf(t, assetOf("pages.css"), 11) {
		both[i] = map[string]float64{}
		for name, hex := range colours {
			both[i][name] = luminance(t, hex)
		}
	}
	return both
}

// coloursOf are the colours with names, so many in the light and in the dark.
func coloursOf(t *testing.T, sheet []byte, count int) (both [2]map[string]string) {
	t.Helper()
	light, dark, ok := strings.Cut(string(sheet), "prefers-color-scheme: dark")
	if !ok {
		t.Fatal("there is no dark")
	}
	for i, sheet := range []string{light, dark} {
		both[i] = map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(sheet, -1) {
			both[i][m[1]] = m[2]
		}
		if len(both[i]) != count {
			t.Fatalf("%d colours", len(both[i]))
		}
	}
	return both
}

func TestTheDialogHasTheColoursOfThePages(t *testing.T) {
	pages := coloursOf(t, assetOf("pages.css"), 11)
	for i, colours := range coloursOf(t, sessionScript, 7) {
		for name, hex := range colours {
			if pages[i][name] != hex {
				t.Errorf("palette %d: %s is %s, on the pages %s", i, name, hex, pages[i][name])
			}
		}
	}
}

// luminance is the relative luminance of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestWhatIsOnThePagesCanBeSeen(t *testing.T) {
	for i, colours := range palettes(t) {
		for pair, least := range map[string]float64{
			"text/ground": 4.5, "text/sheet": 4.5, "text/note-ground": 4.5, "soft/ground": 4.5, "soft/sheet": 4.5, "wrong/wrong-ground": 4.5,
			"wrong/sheet":      4.5, // in the dialog
			"on-accent/accent": 4.5, "accent/sheet": 4.5, "accent/note-ground": 4.5,
			"edge/sheet": 3, // where to type
		} {
			above, below, _ := strings.Cut(pair, "/")
			a, b := colours[above], colours[below]
			if contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05); contrast < least {
				t.Errorf("%s of palette %d has %.2f:1", pair, i, contrast)
			}
		}
	}
}
