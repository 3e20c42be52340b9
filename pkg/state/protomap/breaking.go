package protomap

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Breaking says why those who read with the old declaration would misread
// records of the new one, sorted: another root or key, a field whose number is
// gone, or has another type or no presence any more, or is a set in only one of
// them, an enum value that is gone or called otherwise, or whose number means
// another, a number that was reserved and is not any more. Messages and enums are
// matched by their names without the package: readers know them by one of ours, see
// Redeclare. Nothing means that the new declaration only adds.
func Breaking(old, next *Mapping) []string {
	var out []string
	if old.Root() != next.Root() {
		return []string{fmt.Sprintf("the root type is %s, it was %s: is this the right .proto for this dataset?", next.Root(), old.Root())}
	}
	if a, b := keyPaths(old), keyPaths(next); a != b {
		out = append(out, fmt.Sprintf("the key is (%s), it was (%s)", b, a))
	}
	enums := map[protoreflect.FullName]bool{} // that were compared
	plans := map[string]*typePlan{}
	for _, plan := range next.plans {
		plans[plan.name] = plan
	}
	for _, plan := range old.plans {
		now := plans[plan.name]
		if now == nil {
			continue // the field that used it says so
		}
		out = append(out, freed(relativeName(plan.desc), reservedFields(plan.desc), reservedFields(now.desc))...)
		for _, f := range plan.fields {
			next := now.desc.Fields().ByNumber(f.desc.Number())
			why := changedField(f.desc, next)
			if next == nil && !reserves(reservedFields(now.desc), int64(f.desc.Number())) {
				why += fmt.Sprintf(": put \"reserved %d;\" in its place, so that nothing else gets it", f.desc.Number())
			}
			if why == "" {
				why = changedShape(f.shape, now.shapeOf(next))
			}
			if why != "" {
				out = append(out, fmt.Sprintf("field %s of %s %s", f.desc.Name(), relativeName(plan.desc), why))
				continue
			}
			if a, b := enumOf(f.desc), enumOf(next); a != nil && !enums[a.FullName()] {
				enums[a.FullName()] = true
				out = append(out, changedEnum(a, b)...)
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
	case old.HasPresence() && !next.HasPresence():
		return "is no longer optional: its default value would be read as none"
	}
	return ""
}

// changedShape says how a field of the same type promises less about its values.
func changedShape(old, next shape) string {
	switch {
	case old == set && next != set:
		return "is no longer a set: an element may be in it more than once"
	case old != set && next == set:
		return "is now a set: its elements have no order any more, and each is in it once"
	}
	return ""
}

// shapeOf returns the shape of a field of the message.
func (p *typePlan) shapeOf(d protoreflect.FieldDescriptor) shape {
	for _, f := range p.fields {
		if f.desc == d {
			return f.shape
		}
	}
	return single
}

// enumOf returns the enum of a field or of a map's values; nil if there is none.
// A map's key is never one.
func enumOf(f protoreflect.FieldDescriptor) protoreflect.EnumDescriptor {
	if f.IsMap() {
		return f.MapValue().Enum()
	}
	return f.Enum()
}

// changedEnum says which values of an enum are no longer what they were. An
// enum is kept by name and answered by number, so that both have to stay, and
// of aliases the first.
func changedEnum(old, next protoreflect.EnumDescriptor) []string {
	name := relativeName(old)
	out := freed("enum "+name, reservedValues(old), reservedValues(next))
	for i := range old.Values().Len() {
		v := old.Values().Get(i)
		now, same := next.Values().ByName(v.Name()), next.Values().ByNumber(v.Number())
		was := old.Values().ByNumber(v.Number()) // of aliases the first
		switch {
		case same == nil:
			why := fmt.Sprintf("value %s of enum %s is gone (number %d)", v.Name(), name, v.Number())
			if !reserves(reservedValues(next), int64(v.Number())) {
				why += fmt.Sprintf(": put \"reserved %d;\" in its place, so that nothing else gets it", v.Number())
			}
			out = append(out, why)
		case now != nil && now.Number() != v.Number():
			out = append(out, fmt.Sprintf("value %s of enum %s is now number %d, it was %d", v.Name(), name, now.Number(), v.Number()))
		case now == nil:
			out = append(out, fmt.Sprintf("value %s of enum %s is gone, its number %d now means %s", v.Name(), name, v.Number(), same.Name()))
		case v == was && same.Name() != was.Name():
			out = append(out, fmt.Sprintf("number %d of enum %s is now %s first, it was %s", v.Number(), name, same.Name(), was.Name()))
		}
	}
	return out
}

func typeText(f protoreflect.FieldDescriptor) string {
	if f.IsMap() {
		return "map<" + typeText(f.MapKey()) + ", " + typeText(f.MapValue()) + ">"
	}
	text := f.Kind().String()
	switch {
	case f.Enum() != nil:
		text = relativeName(f.Enum())
	case f.Message() != nil:
		text = relativeName(f.Message())
	}
	if f.IsList() {
		text = "repeated " + text
	}
	return text
}
