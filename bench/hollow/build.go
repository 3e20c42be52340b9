// Package hollow builds the benchmark's Java side, which measures the real
// Netflix Hollow: the sources beside it against the library that pom.xml pins.
// A phase is a process, Main.java; what it prints is what package engine's
// phases print.
package hollow

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed pom.xml *.java
var sources embed.FS

// ErrMissing says that a tool is missing.
var ErrMissing = errors.New("java, javac and mvn are needed, JDK 17 or later")

// Build compiles into dir and returns the class path. It needs Maven Central,
// or its files in Maven's cache.
func Build(ctx context.Context, dir string) (classpath string, err error) {
	for _, tool := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", ErrMissing
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return "", fmt.Errorf("copy sources: %w", err)
	}
	fetch := []string{"mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib"}
	if err := run(ctx, dir, fetch); err != nil {
		return "", err
	}
	files, err := fs.Glob(sources, "*.java")
	if err != nil {
		return "", err
	}
	if err := run(ctx, dir, append([]string{"javac", "--release", "17", "-cp", "lib/*", "-d", "classes"}, files...)); err != nil {
		return "", err
	}
	return filepath.Join(dir, "classes") + string(filepath.ListSeparator) + filepath.Join(dir, "lib", "*"), nil
}

func run(ctx context.Context, dir string, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", command[0], err, out)
	}
	return nil
}
