package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// hop is one move along a path: to a field of an OBJECT, or to what a LIST, SET
// or MAP holds.
type hop struct {
	typeName string
	via      int // a field, or one of the numbers below
}

// Moves within collections. They are negative: no field has these numbers.
const (
	viaElement = -1 - iota // of a LIST or SET
	viaKey                 // of a MAP
	viaValue
)

var collectionMoves = map[state.Kind]map[string]int{
	state.List: {"element": viaElement},
	state.Set:  {"element": viaElement},
	state.Map:  {"key": viaKey, "value": viaValue},
}

// maxHops bounds a path: schemas may be cyclic.
const maxHops = 64

// resolveRoute resolves a path from a type, as state.ResolvePath does, and
// through collections, too: "element" is what a LIST or SET holds, "key" and
// "value" what a MAP does. The last hop is always to a field.
func resolveRoute(schemas map[string]*state.Schema, start, path string) ([]hop, error) {
	name, plain := strings.CutSuffix(path, "!")
	var route []hop
	current := start
	for segment := range strings.SplitSeq(name, ".") {
		s := schemas[current]
		switch {
		case current == "":
			return nil, fmt.Errorf("resolve path %s: a scalar has no fields: %w", path, ErrKey)
		case s == nil:
			return nil, fmt.Errorf("resolve path %s: %w", path, noType(current))
		}
		h := hop{current, viaElement}
		if s.Kind == state.Object {
			if h.via = s.FieldIndex(segment); h.via < 0 {
				return nil, fmt.Errorf("resolve path %s: type %s has no field %q: %w", path, current, segment, ErrKey)
			}
			current = s.Fields[h.via].Ref
		} else if current = h.enter(s, segment); current == "" {
			return nil, fmt.Errorf("resolve path %s: %v %s has no %q: %w", path, s.Kind, h.typeName, segment, ErrKey)
		}
		if route = append(route, h); len(route) > maxHops {
			return nil, fmt.Errorf("resolve path %s: more than %d steps: %w", path, maxHops, ErrKey)
		}
	}
	return expandRoute(schemas, route, current, plain)
}

// enter moves into a collection and returns the type there, "" if it has no
// such place.
func (h *hop) enter(s *state.Schema, segment string) string {
	via, ok := collectionMoves[s.Kind][segment]
	if !ok {
		return ""
	}
	h.via = via
	if via == viaValue {
		return s.Value
	}
	return s.Element
}

// expandRoute follows the references at the end of a route.
func expandRoute(schemas map[string]*state.Schema, route []hop, current string, plain bool) ([]hop, error) {
	if last := route[len(route)-1]; current == "" || plain && last.via >= 0 {
		return route, nil
	}
	s := schemas[current]
	var field string
	switch {
	case s == nil:
		return nil, fmt.Errorf("resolve path: %w", noType(current))
	case s.Kind != state.Object:
		moves := slices.Sorted(maps.Keys(collectionMoves[s.Kind]))
		return nil, fmt.Errorf("resolve path: it ends at %v %s, not at a field: go on with .%s: %w", s.Kind, current, strings.Join(moves, " or ."), ErrKey)
	case plain:
		return nil, fmt.Errorf("resolve path: it ends at %v %s, not at a field: %w", s.Kind, current, ErrKey)
	case len(s.Fields) == 1:
		field = s.Fields[0].Name
	case len(s.Key) == 1:
		field = s.Key[0]
	default:
		return nil, fmt.Errorf("resolve path: it ends at type %s, which has neither one field nor a key of one field: %w", current, ErrKey)
	}
	steps, err := state.ResolvePath(schemas, current, field)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		route = append(route, hop{step.Type, step.Field})
	}
	return route, nil
}

// plan is what routes do at one type: routes that begin alike share it as far
// as they do, so that two parts of a key through one LIST come from the same
// element of it.
type plan struct {
	t      *state.Type
	leaves []planLeaf
	subs   []planSub
	many   bool // t, or a type below, is a collection
}

// planLeaf is a field whose value is a part of the key.
type planLeaf struct{ field, part int }

// planSub is what follows a hop.
type planSub struct {
	via int
	p   *plan
}

// bindPlan binds routes to the types of s, which has them all.
func bindPlan(s *state.State, routes [][]hop) *plan {
	root := &plan{t: s.Type(routes[0][0].typeName)}
	for part, route := range routes {
		p := root
		for _, h := range route[:len(route)-1] {
			p = p.sub(h, s.Type(targetOf(s, h)))
		}
		p.leaves = append(p.leaves, planLeaf{route[len(route)-1].via, part})
	}
	root.mark()
	return root
}

// targetOf returns the name of the type that a hop leads to.
func targetOf(s *state.State, h hop) string {
	schema := s.Type(h.typeName).Schema()
	switch h.via {
	case viaElement, viaKey:
		return schema.Element
	case viaValue:
		return schema.Value
	}
	return schema.Fields[h.via].Ref
}

func (p *plan) sub(h hop, t *state.Type) *plan {
	i := slices.IndexFunc(p.subs, func(s planSub) bool { return s.via == h.via })
	if i < 0 {
		i = len(p.subs)
		p.subs = append(p.subs, planSub{h.via, &plan{t: t}})
	}
	return p.subs[i].p
}

func (p *plan) mark() {
	p.many = p.t.Schema().Kind != state.Object
	for _, sub := range p.subs {
		sub.p.mark()
		p.many = p.many || sub.p.many
	}
}

// tail returns where a plan of one part has its last collection behind it: from
// there on a record leads to one value. It is p itself if there is none.
func (p *plan) tail() *plan {
	for p.many {
		p = p.subs[0].p
	}
	return p
}

// target returns the plan that has the value of a plan of one part.
func (p *plan) target() *plan {
	for len(p.subs) > 0 {
		p = p.subs[0].p
	}
	return p
}

// collection returns the first collection of a plan of one part, or nil.
func (p *plan) collection() *plan {
	if !p.many {
		return nil
	}
	for p.t.Schema().Kind == state.Object {
		p = p.subs[0].p
	}
	return p
}

// follow follows references from record o to another plan, through OBJECTs
// only. It returns NoOrdinal if one of them is not there.
func (p *plan) follow(to *plan, o state.Ordinal) state.Ordinal {
	for p != to {
		if !p.t.Populated(o) {
			return state.NoOrdinal
		}
		o = p.t.Record(o).Reference(p.subs[0].via)
		p = p.subs[0].p
	}
	return o
}

// null makes all parts under p null. It says false if there is a collection
// under p: what is not there holds nothing.
func (p *plan) null(key []state.Value) bool {
	if p.many {
		return false
	}
	for _, l := range p.leaves {
		key[l.part] = state.Value{}
	}
	for _, sub := range p.subs {
		sub.p.null(key)
	}
	return true
}

// task is a record that a walk still has to look at.
type task struct {
	p *plan
	o state.Ordinal
}

// walker finds the keys of records.
type walker struct {
	key  []state.Value // the one under way
	room []task
	list []state.Ordinal
	// tail is the plan whose records are handed out as they are, for the caller
	// to follow; nil if key is wanted.
	tail *plan
	// found is called with records of tail, or, without one, for each key.
	found func(list []state.Ordinal)
	one   [1]state.Ordinal
}

// walk finds the keys of record o of p's type. Elements are looked at one by
// one, collections in no relation to each other in every combination.
func (w *walker) walk(p *plan, o state.Ordinal) {
	w.visit(append(w.room[:0], task{p, o}))
}

// visit does the tasks and leaves them as they were.
func (w *walker) visit(todo []task) {
	w.room = todo[:0]
	if len(todo) == 0 {
		w.found(nil)
		return
	}
	rest, now := todo[:len(todo)-1], todo[len(todo)-1]
	if now.p == w.tail {
		w.one[0] = now.o
		w.found(w.one[:])
		return
	}
	if now.p.t.Populated(now.o) {
		if now.p.t.Schema().Kind == state.Object {
			w.object(rest, now)
		} else {
			w.collection(rest, now)
		}
	} else if now.p.null(w.key) {
		w.visit(rest)
	}
	_ = append(rest, now) // whoever visits next overwrote it
}

func (w *walker) object(todo []task, now task) {
	r := now.p.t.Record(now.o)
	for _, l := range now.p.leaves {
		w.key[l.part] = r.Value(l.field)
	}
	for _, sub := range now.p.subs {
		todo = append(todo, task{sub.p, r.Reference(sub.via)})
	}
	w.visit(todo)
}

func (w *walker) collection(todo []task, now task) {
	r := now.p.t.Record(now.o)
	if now.p.t.Schema().Kind == state.Map {
		w.entries(todo, now.p, r)
		return
	}
	sub := now.p.subs[0].p
	from := len(w.list) // lists within lists
	w.list = r.AppendElements(w.list)
	list := w.list[from:]
	if sub == w.tail {
		w.found(list) // of a plan of one part: there is nothing else to do
	} else {
		sub.t.Prefetch(list)
		for _, o := range list {
			w.visit(append(todo, task{sub, o}))
		}
	}
	w.list = w.list[:from]
}

func (w *walker) entries(todo []task, p *plan, r state.Record) {
	for i, n := 0, r.Len(); i < n; i++ {
		next := todo
		key, value := r.Entry(i)
		for _, sub := range p.subs {
			o := key
			if sub.via == viaValue {
				o = value
			}
			next = append(next, task{sub.p, o})
		}
		w.visit(next)
	}
}
