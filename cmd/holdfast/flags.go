package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-data/holdfast/pkg/announce"
)

// mayBeEmpty are flags whose empty value means something: not to listen.
var mayBeEmpty = []string{"run --listen", "run --socket", "run --admin"}

// explainArgs makes a command that gets the wrong number of arguments say which
// it wants, and refuses empty ones: they are variables that nobody has set.
func explainArgs(c *cobra.Command) {
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if err := notEmpty(c, args); err != nil {
			return fmt.Errorf("%w: is a variable unset?\nTry: %s --help", err, c.CommandPath())
		}
		if check == nil {
			return nil
		}
		if err := check(c, args); err != nil {
			return fmt.Errorf("%w\nUsage: %s\nTry: %s --help", err, c.UseLine(), c.CommandPath())
		}
		return nil
	}
}

func notEmpty(c *cobra.Command, args []string) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		} else if f.Value.Type() != "string" {
			return
		}
		if (len(values) == 0 || slices.Contains(values, "")) && !slices.Contains(mayBeEmpty, c.Name()+" --"+f.Name) {
			err = fmt.Errorf("--%s is empty", f.Name)
		}
	})
	if err != nil {
		return err
	}
	for i, arg := range args {
		ofKey := c.Name() == "get" && i > 0 // which may be empty
		ofOther := c.ArgsLenAtDash() == 0   // the program's that replay and shadow run
		if ofKey || ofOther && i > 0 {
			break
		}
		if arg == "" {
			return fmt.Errorf("argument %d is empty", i+1)
		}
	}
	return nil
}

// The most bytes that the log keeps of who changed it, and why.
const maxWho, maxWhy = 200, 2000

// checkText refuses what could not be shown to a person as it is.
func checkText(flag, text string, max int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("--%s is blank", flag)
	case len(text) > max:
		return fmt.Errorf("--%s has %d bytes, at most %d are possible", flag, len(text), max)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("--%s has characters that cannot be printed: %.100q", flag, text)
	}
	return nil
}

// authorFlags adds --name and --reason; the returned function checks them.
func authorFlags(c *cobra.Command, reasonUsage string) func() (announce.Author, error) {
	who := c.Flags().String("name", userName(), "who, as the log records it")
	why := c.Flags().String("reason", "", reasonUsage)
	return func() (announce.Author, error) {
		err := checkText("name", *who, maxWho)
		if err == nil && (*why != "" || c.Flags().Changed("reason")) {
			err = checkText("reason", *why, maxWhy)
		}
		return announce.Author{Name: *who, Why: *why}, err
	}
}
