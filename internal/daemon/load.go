package daemon

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// ErrConfig is the cause of every error about what a configuration says.
var ErrConfig = errors.New("bad configuration")

// Sources is where values come from besides the defaults. Each one outranks
// the ones before it: file, environment, flags.
type Sources struct {
	// File is the path of a YAML file; empty means none.
	File string
	// Environ holds variables as os.Environ does. The variable of the key
	// gossip.key_file is Prefix_GOSSIP_KEY_FILE.
	Environ []string
	// Flags maps keys, such as gossip.key_file, to the texts of the flags that
	// were given. Their flags are named alike, with dashes.
	Flags map[string]string
}

// Prefix begins the name of every variable that is read.
const Prefix = "HOLDFAST"

// A Defaulter is an element of a list that sets its own defaults before it is
// read.
type Defaulter interface{ SetDefaults() }

// Load puts the values of src over those of config, which is a pointer to a
// struct whose fields have yaml tags, filled with defaults. Texts of variables
// and flags are YAML, but a plain text may be a string or, separated by commas,
// a list of strings. Errors name file and line, variable or flag, and wrap
// ErrConfig unless the file cannot be read.
func Load(config any, src Sources) (*Origins, error) {
	o := &Origins{at: map[string]string{}}
	v := reflect.ValueOf(config).Elem()
	if src.File != "" {
		if err := o.loadFile(v, src.File); err != nil {
			return nil, err
		}
	}
	keys := leaves(v.Type(), "")
	environ := map[string]string{}
	for _, entry := range src.Environ {
		name, value, _ := strings.Cut(entry, "=")
		environ[name] = value
	}
	for _, key := range keys {
		name := Variable(key)
		if text, ok := environ[name]; ok {
			if err := o.loadText(v, key, text, "environment "+name); err != nil {
				return nil, err
			}
		}
	}
	for key, text := range src.Flags {
		if err := o.loadText(v, key, text, "flag "+Flag(key)); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Variable returns the name of the environment variable of a key.
func Variable(key string) string {
	return Prefix + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Flag returns the name of the command-line flag of a key.
func Flag(key string) string {
	return "--" + strings.NewReplacer(".", "-", "_", "-").Replace(key)
}

func (o *Origins) loadFile(v reflect.Value, path string) error {
	data, err := blob.ReadFile(path, maxFile)
	if errors.Is(err, blob.ErrTooLarge) {
		return fmt.Errorf("read configuration: %s is larger than %d bytes: %w", path, maxFile, ErrConfig)
	}
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	return o.LoadYAML(v.Addr().Interface(), path, data)
}

// LoadYAML puts the values of one YAML document over those of config. name is
// what errors and origins call the document.
func (o *Origins) LoadYAML(config any, name string, data []byte) error {
	d := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // only comments
	} else if err != nil {
		return syntaxError(name, err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one YAML document: %w", name, ErrConfig)
	}
	r := reader{
		where:  func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", name, n.Line) },
		origin: o,
		root:   reflect.TypeOf(config).Elem(),
	}
	return r.value(doc.Content[0], reflect.ValueOf(config).Elem(), "")
}

// loadText reads the text of a variable or flag into one key.
func (o *Origins) loadText(v reflect.Value, key, text, source string) error {
	field, ok := lookUp(v, key)
	if !ok {
		return fmt.Errorf("%s: there is no key %s: %w", source, key, ErrConfig)
	}
	r := reader{where: func(*yaml.Node) string { return source }, origin: o, root: v.Type()}
	if node, ok := plainNode(field.Type(), text); ok {
		return r.value(node, field, key)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return syntaxError(source, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return r.value(doc.Content[0], field, key)
}

// plainNode makes a node of text for strings and lists of strings, which need
// no YAML quoting.
func plainNode(t reflect.Type, text string) (*yaml.Node, bool) {
	str := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }
	switch {
	case t.Kind() == reflect.String:
		return str(text), true
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && !strings.HasPrefix(strings.TrimSpace(text), "["):
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list.Content = append(list.Content, str(part))
			}
		}
		return list, true
	}
	return nil, false
}

// syntaxError gives an error of the YAML parser its place.
func syntaxError(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if line, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok && strings.HasPrefix(text, "line ") {
		return fmt.Errorf("%s:%s: %s: %w", name, line, rest, ErrConfig)
	}
	return fmt.Errorf("%s: %s: %w", name, text, ErrConfig)
}
