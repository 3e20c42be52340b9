package daemon

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Origins remembers where the values of a configuration came from.
type Origins struct{ at map[string]string }

// Of returns where the value of a key came from: file and line, a variable, a
// flag, or "default".
func (o *Origins) Of(key string) string {
	if at := o.Given(key); at != "" {
		return at
	}
	return "default"
}

// Given is Of for a value or a mapping that was given, and empty for others.
func (o *Origins) Given(key string) string {
	if o == nil {
		return ""
	}
	return o.at[key]
}

// drop forgets the origins of a list's elements.
func (o *Origins) drop(path string) {
	for key := range o.at {
		if strings.HasPrefix(key, path+"[") {
			delete(o.at, key)
		}
	}
}

// masked is what is printed instead of a secret.
const masked = "********"

// Print writes config, a struct or a pointer to one, as YAML with the origin of
// each value as a comment. Fields tagged secret:"true" are masked if they are
// not empty.
func (o *Origins) Print(w io.Writer, config any) error {
	v := reflect.Indirect(reflect.ValueOf(config))
	node, err := o.node(v, "")
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(node); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return e.Close()
}

func (o *Origins) node(v reflect.Value, path string) (*yaml.Node, error) {
	switch {
	case isStruct(v.Type()):
		return o.mapping(v, path)
	case v.Kind() == reflect.Slice && v.Len() > 0 && isStruct(v.Type().Elem()):
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n, err := o.node(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			if err != nil {
				return nil, err
			}
			list.Content = append(list.Content, n)
		}
		return list, nil
	case v.Kind() == reflect.Slice && v.Len() == 0:
		return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, LineComment: o.Of(path)}, nil
	}
	n := new(yaml.Node)
	if err := n.Encode(v.Interface()); err != nil {
		return nil, err
	}
	if n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
	}
	n.LineComment = o.Of(path)
	return n, nil
}

func (o *Origins) mapping(v reflect.Value, path string) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := tag(field)
		if name == "" {
			continue
		}
		n, err := o.node(v.Field(i), join(path, name))
		if err != nil {
			return nil, err
		}
		if field.Tag.Get("secret") == "true" && !v.Field(i).IsZero() {
			n = &yaml.Node{Kind: yaml.ScalarNode, Value: masked, LineComment: o.Of(join(path, name))}
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, n)
	}
	return out, nil
}
