package state

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// ParseSchemas reads schemas in Hollow's text form (docs/format/hollow.md,
// "Schema text"). It does not check that the types referred to exist.
func ParseSchemas(text string) ([]*Schema, error) {
	p := &schemaParser{in: utf16.Encode([]rune(text)), line: 1}
	var out []*Schema
	seen := map[string]bool{}
	for {
		p.next()
		for p.kind != wordToken && p.kind != endToken {
			p.next() // stray punctuation between types is allowed
		}
		if p.kind == endToken {
			return out, nil
		}
		s, err := p.schema(p.text)
		if err != nil {
			return nil, fmt.Errorf("parse schema, line %d: %w", p.line, err)
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("parse schema, line %d: type %s is defined twice", p.line, s.Name)
		}
		seen[s.Name] = true
		out = append(out, s)
	}
}

type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	numberToken
	quotedToken
	punctToken
)

// schemaParser has one token of look-behind: kind and text of the last one.
type schemaParser struct {
	in   []uint16
	at   int
	line int
	kind tokenKind
	text string
}

func (p *schemaParser) schema(name string) (*Schema, error) {
	p.next()
	if p.kind == wordToken {
		return p.collection(name)
	}
	s := &Schema{Name: name, Kind: Object}
	if err := p.key(s, "PrimaryKey"); err != nil {
		return nil, err
	}
	if !p.is("{") {
		return nil, p.unexpected("'{'")
	}
	for p.next(); !p.is("}"); p.next() {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		if s.FieldIndex(f.Name) >= 0 {
			return nil, fmt.Errorf("type %s has field %s twice", name, f.Name)
		}
		s.Fields = append(s.Fields, f)
	}
	return s, nil
}

func (p *schemaParser) field() (Field, error) {
	if p.kind != wordToken {
		return Field{}, p.unexpected("a field type or '}'")
	}
	typeName := p.text
	if p.next(); p.kind != wordToken {
		return Field{}, p.unexpected("a field name")
	}
	f := Field{Name: p.text, Type: Reference, Ref: typeName}
	for t := Int; t < Reference; t++ {
		if strings.ToLower(t.String()) == typeName {
			f.Type, f.Ref = t, ""
		}
	}
	if p.next(); !p.is(";") {
		return Field{}, p.unexpected("';'")
	}
	return f, nil
}

func (p *schemaParser) collection(name string) (*Schema, error) {
	s := &Schema{Name: name}
	for k := List; k <= Map; k++ {
		if strings.EqualFold(k.String(), p.text) && p.text[1:] == strings.ToLower(p.text[1:]) && p.text[0] < 'a' {
			s.Kind = k
		}
	}
	if s.Kind == 0 {
		return nil, p.unexpected("'{', '@', List, Set or Map")
	}
	if p.next(); !p.is("<") {
		return nil, p.unexpected("'<'")
	}
	if p.next(); p.kind != wordToken {
		return nil, p.unexpected("a type name")
	}
	s.Element = p.text
	p.next()
	if s.Kind == Map {
		if !p.is(",") {
			return nil, p.unexpected("','")
		}
		if p.next(); p.kind != wordToken {
			return nil, p.unexpected("a type name")
		}
		s.Value = p.text
		p.next()
	}
	if !p.is(">") {
		return nil, p.unexpected("'>'")
	}
	p.next()
	if s.Kind != List {
		if err := p.key(s, "HashKey"); err != nil {
			return nil, err
		}
	}
	if !p.is(";") {
		return nil, p.unexpected("';'")
	}
	return s, nil
}

// key reads "@word(paths)" if the last token begins one, and the token after.
func (p *schemaParser) key(s *Schema, word string) error {
	if !p.is("@") {
		return nil
	}
	if p.next(); p.kind != wordToken || p.text != word {
		return p.unexpected(word)
	}
	if p.next(); !p.is("(") {
		return p.unexpected("'('")
	}
	for p.next(); !p.is(")"); p.next() {
		if p.kind != wordToken {
			return p.unexpected("a field path")
		}
		s.Key = append(s.Key, p.text)
		p.next()
		if p.is(")") {
			break
		}
		if !p.is(",") {
			return p.unexpected("',' or ')'")
		}
	}
	p.next()
	return nil
}

func (p *schemaParser) is(punct string) bool { return p.kind == punctToken && p.text == punct }

func (p *schemaParser) unexpected(want string) error {
	if p.kind == endToken {
		return fmt.Errorf("text ends where %s is needed", want)
	}
	return fmt.Errorf("%.40q found where %s is needed", p.text, want)
}

// next reads one token by the rules of java.io.StreamTokenizer.
func (p *schemaParser) next() {
	p.skipBlank()
	start := p.at
	if p.at == len(p.in) {
		p.kind, p.text = endToken, ""
		return
	}
	c := p.in[p.at]
	p.at++
	switch {
	case isWordStart(c):
		p.kind = wordToken
		for p.at < len(p.in) && (isWordStart(p.in[p.at]) || isNumeric(p.in[p.at])) {
			p.at++
		}
	case isDigit(c) || c == '.' || c == '-' && p.at < len(p.in) && (isDigit(p.in[p.at]) || p.in[p.at] == '.'):
		p.kind = numberToken
		p.number(c == '.')
	case c == '"' || c == '\'':
		p.kind = quotedToken
		for p.at < len(p.in) && p.in[p.at] != c && p.in[p.at] != '\n' {
			p.at++
		}
		p.at = min(p.at+1, len(p.in))
	default:
		p.kind = punctToken
	}
	p.text = string(utf16.Decode(p.in[start:p.at]))
}

func (p *schemaParser) number(dot bool) {
	for p.at < len(p.in) && (isDigit(p.in[p.at]) || p.in[p.at] == '.' && !dot) {
		dot = dot || p.in[p.at] == '.'
		p.at++
	}
}

// skipBlank skips white space and comments; a single '/' begins a comment to
// the end of the line too.
func (p *schemaParser) skipBlank() {
	for p.at < len(p.in) {
		c := p.in[p.at]
		switch {
		case c == '/' && p.at+1 < len(p.in) && p.in[p.at+1] == '*':
			p.at += 2
			for p.at < len(p.in) && !(p.in[p.at] == '*' && p.at+1 < len(p.in) && p.in[p.at+1] == '/') {
				p.countLine()
			}
			p.at = min(p.at+2, len(p.in))
		case c == '/':
			for p.at < len(p.in) && p.in[p.at] != '\n' && p.in[p.at] != '\r' {
				p.at++
			}
		case c <= ' ':
			p.countLine()
		default:
			return
		}
	}
}

func (p *schemaParser) countLine() {
	if p.in[p.at] == '\n' {
		p.line++
	}
	p.at++
}

func isDigit(c uint16) bool   { return c >= '0' && c <= '9' }
func isNumeric(c uint16) bool { return isDigit(c) || c == '.' || c == '-' }
func isWordStart(c uint16) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 160
}
