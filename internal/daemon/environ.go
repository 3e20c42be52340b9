package daemon

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// A Stray is a variable that begins as ours do and that no key has.
type Stray struct {
	Name string
	// Near is the variable that was probably meant, empty if none was.
	Near string
}

// ofService are the variables that Kubernetes sets for each service, such as one
// that is called holdfast.
var ofService = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// Strays returns the variables of environ that Load passes over though they begin
// with Prefix, in order of name. config is as Load's; others are variables that
// something else reads.
func Strays(config any, environ []string, others ...string) []Stray {
	known := slices.Clone(others)
	var short []string // as Nearest takes them
	for _, key := range leaves(reflect.TypeOf(config).Elem(), "") {
		known = append(known, Variable(key))
		short = append(short, strings.ToLower(strings.TrimPrefix(Variable(key), Prefix+"_")))
	}
	var out []Stray
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, Prefix+"_")
		if !ours || slices.Contains(known, name) || ofService.MatchString(name) {
			continue
		}
		stray := Stray{Name: name}
		if near := Nearest(rest, short); near != "" {
			stray.Near = Prefix + "_" + strings.ToUpper(near)
		}
		out = append(out, stray)
	}
	slices.SortFunc(out, func(a, b Stray) int { return strings.Compare(a.Name, b.Name) })
	return out
}
