package replay

import (
	"errors"
	"fmt"
	"os"

	"github.com/holdfast-data/holdfast/pkg/logic"
)

// ErrBuildChanged says that a command is no longer the one that runs are named
// after.
var ErrBuildChanged = errors.New("the files of a command changed while it was replayed")

// build is what a command is named by.
type build struct {
	name    string // that was given, else digest
	digest  string
	program string   // of logic.Command.Program
	covers  []string // files that digest is of
	command *logic.Command
	named   bool
	files   []os.FileInfo // of covers
}

// newBuild names a command, by a digest if no name is given.
func newBuild(c *logic.Command, name string) (*build, error) {
	b := &build{name: name, named: name != "", command: c}
	err := b.read()
	if !b.named {
		b.name = b.digest
	}
	return b, err
}

// read takes the digest of the command as it is now. Of one with a name it is of
// the program alone: files among its arguments may be ones that it writes.
func (b *build) read() (err error) {
	if b.covers, err = b.command.Files(); err != nil {
		return err
	}
	if b.named {
		b.covers = b.covers[:1]
	}
	b.files = nil
	for _, name := range b.covers { // before they are read
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("name build: %w", err)
		}
		b.files = append(b.files, info)
	}
	if b.program, err = b.command.Program(); err != nil {
		return err
	}
	b.digest = b.program
	if !b.named {
		b.digest, err = b.command.Build()
	}
	return err
}

// check fails with ErrBuildChanged if the command is another one now. It reads
// files again only if they seem to have been written.
func (b *build) check() error {
	if b == nil || b.untouched() {
		return nil
	}
	now := &build{command: b.command, named: b.named}
	if err := now.read(); err != nil {
		return err
	}
	if now.digest != b.digest {
		return fmt.Errorf("%w: %s was %s and is %s: start again", ErrBuildChanged, b.command.Args[0], b.digest, now.digest)
	}
	b.covers, b.files = now.covers, now.files
	return nil
}

func (b *build) untouched() bool {
	covers, err := b.command.Files()
	if err != nil || len(covers) < len(b.covers) || !b.named && len(covers) > len(b.covers) {
		return false
	}
	for i, was := range b.files {
		now, err := os.Stat(covers[i])
		if err != nil || !os.SameFile(was, now) || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime()) {
			return false
		}
	}
	return true
}
