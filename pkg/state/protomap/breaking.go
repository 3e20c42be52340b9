package protomap

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Breaking says why those who read with the old declaration would misread
// records of the new one, in no particular order: another root or key, a field
// whose number is gone, or has another type. Messages and enums are matched by
// full name. Nothing means that the new declaration only adds.
func Breaking(old, next *Mapping) []string {
	var out []string
	if old.Root() != next.Root() {
		return []string{fmt.Sprintf("the root type is %s, it was %s: is this the right .proto for this dataset?", next.Root(), old.Root())}
	}
	if a, b := keyPaths(old), keyPaths(next); a != b {
		out = append(out, fmt.Sprintf("the key is (%s), it was (%s)", b, a))
	}
	for name, plan := range old.plans {
		now := next.plans[name]
		if now == nil {
			continue // the field that used it says so
		}
		for _, f := range plan.fields {
			if why := changedField(f.desc, now.desc.Fields().ByNumber(f.desc.Number())); why != "" {
				out = append(out, fmt.Sprintf("field %s of %s %s", f.desc.Name(), name, why))
			}
		}
	}
	slices.Sort(out)
	return out
}

func keyPaths(m *Mapping) string {
	var paths []string
	for _, k := range m.keys {
		paths = append(paths, k.Path)
	}
	return strings.Join(paths, ", ")
}

// changedField says how a field is no longer what it was.
func changedField(old, next protoreflect.FieldDescriptor) string {
	switch {
	case next == nil:
		return fmt.Sprintf("is gone (number %d)", old.Number())
	case old.Name() != next.Name():
		return fmt.Sprintf("is now called %s (number %d)", next.Name(), old.Number())
	case typeText(old) != typeText(next):
		return fmt.Sprintf("is %s, it was %s", typeText(next), typeText(old))
	}
	return ""
}

func typeText(f protoreflect.FieldDescriptor) string {
	if f.IsMap() {
		return "map<" + typeText(f.MapKey()) + ", " + typeText(f.MapValue()) + ">"
	}
	text := f.Kind().String()
	switch {
	case f.Enum() != nil:
		text = string(f.Enum().FullName())
	case f.Message() != nil:
		text = string(f.Message().FullName())
	}
	if f.IsList() {
		text = "repeated " + text
	}
	return text
}
