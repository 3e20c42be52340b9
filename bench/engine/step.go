package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// step is what is measured next to each other. An empty side measures nothing;
// CHAIN stands for Hollow's chain, or ours where there is no Hollow.
type step struct {
	name   string
	ours   string   // phase and arguments
	hollow []string // of Main.java
	flags  []string // of Java
	needs  string   // the step that makes its blobs, or ageing
	// option says that it measures options of Hollow that are off by default
	// (option.go). They are measured in the first run only.
	option bool
}

// ageing is the phase that makes the long chain.
const ageing = "age"

// steps in order: what makes blobs comes before what needs them.
func steps(w workspace) []step {
	root := w.kind.Root
	if w.editions() {
		return []step{
			{name: "delta", ours: "delta own", hollow: []string{"delta", w.file("own"), root, "3"}},
			{name: "load", ours: "load own", hollow: []string{"load", w.file("own"), root}},
			{name: "diff", ours: "diff own", hollow: []string{"diff", w.file("own"), root, strconv.Itoa(diffPPM)}},
		}
	}
	return append([]step{
		{name: "populate", ours: "populate", hollow: []string{"produce", w.path, w.file("java"), "first"}},
		{name: "cycle", ours: "cycle", hollow: []string{"produce", w.path, w.file("java")}},
		{name: "delta", ours: "delta tail", hollow: []string{"delta", w.file("tail"), root, "3"}, needs: ageing},
		{name: "delta_java", ours: "delta CHAIN", hollow: []string{"delta", w.file("java"), root, "3"}, needs: "cycle"},
		{name: "hash", ours: "hash tail", hollow: hollowHash(w), needs: ageing},
		{name: "load", ours: "load CHAIN", hollow: []string{"load", w.file("java"), root}, needs: "populate"},
		{name: "read", ours: "read CHAIN", hollow: []string{"read", w.file("java"), root, w.file("keys.bin")}, needs: "populate"},
		{name: "busy", ours: "busy", hollow: []string{"busy", w.file("aged"), w.file("tail"), root, w.file("keys.bin")}, needs: ageing},
		{name: "diff", ours: "diff CHAIN", hollow: []string{"diff", w.file("own"), root, strconv.Itoa(diffPPM)}, needs: "cycle"},
		{name: "aged", ours: "aged", needs: ageing},
		{name: "aged_held", ours: "aged_held", needs: ageing},
		{name: "fresh", ours: "fresh", needs: ageing},
		{name: "collect", ours: "collect", needs: ageing},
		{name: "limit", ours: "limit CHAIN", needs: "populate"},
	}, optionSteps(w)...)
}

// chosen returns the steps that the command line asks for and those that they
// need, and whether the long chain is one of these.
func chosen(all []step, o options) (list []step, age bool, err error) {
	asked := func(s step) bool { return !s.option || o.options }
	if o.only != "" {
		names := strings.Split(o.only, ",")
		for _, name := range names {
			if name != allOptions && !slices.ContainsFunc(all, func(s step) bool { return s.name == name }) {
				return nil, false, fmt.Errorf("there is no step %q", name)
			}
		}
		asked = func(s step) bool {
			return slices.Contains(names, s.name) || s.option && slices.Contains(names, allOptions)
		}
	}
	wanted := map[string]bool{}
	for _, s := range slices.Backward(all) {
		if wanted[s.name] || asked(s) {
			wanted[s.name] = true
			wanted[s.needs] = wanted[s.needs] || !o.keep
		}
	}
	for _, s := range all {
		if wanted[s.name] {
			list = append(list, s)
		}
	}
	return list, wanted[ageing], nil
}
