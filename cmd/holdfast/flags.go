package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
)

// mayBeEmpty are flags whose empty value means something: not to listen.
var mayBeEmpty = []string{"run --listen", "run --socket", "run --admin"}

// explainArgs makes a command that gets the wrong number of arguments or flags
// say which it wants, and refuses empty ones: they are variables that nobody has
// set.
func explainArgs(c *cobra.Command) {
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if err := notEmpty(c, args); err != nil {
			return fmt.Errorf("%w: is a variable unset?\nTry: %s --help", err, c.CommandPath())
		}
		if check != nil {
			if err := check(c, args); err != nil {
				hint := ""
				if c.Flags().NFlag() > 0 { // one of which may be the key that is missing
					hint = keyHint(c)
				}
				return fmt.Errorf("%w%s\nUsage: %s\nTry: %s --help", err, hint, c.UseLine(), c.CommandPath())
			}
		}
		if err := together(c); err != nil {
			return fmt.Errorf("%w\nTry: %s --help", err, c.CommandPath())
		}
		return nil
	}
}

// The annotations by which cobra marks flags that exclude each other, and those
// of which one is required. Their values are groups, as names between blanks.
const exclusive, oneRequired = "cobra_annotation_mutually_exclusive", "cobra_annotation_one_required"

// together says in our words what cobra would find wrong with the flags that are
// given and those that are not.
func together(c *cobra.Command) error {
	var missing []string
	groups := map[string][]string{} // by annotation and group, the flags that are given
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if len(f.Annotations[cobra.BashCompOneRequiredFlag]) > 0 && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
		for _, kind := range []string{exclusive, oneRequired} {
			for _, group := range f.Annotations[kind] {
				key := kind + " " + group
				if given := groups[key]; f.Changed {
					groups[key] = append(given, "--"+f.Name)
				} else {
					groups[key] = given
				}
			}
		}
	})
	if len(missing) > 0 {
		return fmt.Errorf("%s missing", inWords(missing, "and", "is", "are"))
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		kind, group, _ := strings.Cut(key, " ")
		given, all := groups[key], strings.Fields(group)
		for i, name := range all {
			all[i] = "--" + name
		}
		switch {
		case kind == exclusive && len(given) > 1:
			return fmt.Errorf("%s exclude each other: give one of them", inWords(given, "and"))
		case kind == oneRequired && len(given) == 0:
			return fmt.Errorf("give one of %s", inWords(all, "and"))
		}
	}
	return nil
}

// inWords writes items as a person does, and the verb that fits their number.
func inWords(items []string, last string, verb ...string) string {
	text := items[0]
	if n := len(items) - 1; n > 0 {
		text = strings.Join(items[:n], ", ") + " " + last + " " + items[n]
	}
	if len(verb) == 2 {
		text += " " + verb[min(len(items)-1, 1)]
	}
	return text
}

// aboutStores is what every command that takes a store says about it.
const aboutStores = `A store is a folder, or a URL: s3://BUCKET/PREFIX, gs://… or azblob://…. Another
server that speaks S3 than Amazon's needs its address, too:
  s3://BUCKET/PREFIX?endpoint=http://HOST:PORT&use_path_style=true
and &region=… unless AWS_REGION is set. Credentials come from the environment.`

// storeVariable names the store of all commands but run, to whom the configuration says
// it, and verify, which takes folders.
const storeVariable = "HOLDFAST_STORE"

// storeFlag adds --store to a command that cannot do without, and returns store, where its
// value goes.
func storeFlag(c *cobra.Command, store *string, usage string) *string {
	from := os.Getenv(storeVariable)
	c.Flags().StringVar(store, "store", from, usage+" ("+storeVariable+"; required)")
	if from == "" {
		_ = c.MarkFlagRequired("store")
	}
	return store
}

// explainStore says in the help of a command that takes a store what that is.
func explainStore(c *cobra.Command) {
	if f := c.Flags().Lookup("store"); f != nil {
		f.DefValue = cloud.Shown(f.DefValue) // of HOLDFAST_STORE
	} else if !strings.Contains(c.Use, "URL") {
		return
	}
	if c.Long == "" {
		c.Long = c.Short + "."
	}
	c.Long += "\n\n" + aboutStores
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
