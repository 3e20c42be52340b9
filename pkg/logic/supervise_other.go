//go:build !linux

package logic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

func (c *Command) startSupervised(context.Context, []string, io.Writer) (wait func() error, err error) {
	return nil, errors.New("supervising a command needs Linux")
}

// Supervise needs Linux.
func Supervise([]string) int {
	fmt.Fprintln(os.Stderr, "supervising a command needs Linux")
	return 2
}
