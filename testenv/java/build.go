package java

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

//go:embed pom.xml *.java
var sources embed.FS

// build compiles the peer, once a process, and returns its class path.
var build = sync.OnceValues(func() (string, error) {
	for _, tool := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%s is missing; install a JDK, version 17 or later, and Maven: %w", tool, err)
		}
	}
	target, err := targetFolder()
	if err != nil {
		return "", err
	}
	return buildIn(target)
})

// buildIn compiles the peer into a folder of target that is named by the
// sources' digest, unless it is there. Processes may race: each builds apart,
// and one of them gives its folder the name.
func buildIn(target string) (classpath string, err error) {
	name, err := digest()
	if err != nil {
		return "", err
	}
	built := filepath.Join(target, name)
	classpath = filepath.Join(built, "classes") + string(filepath.ListSeparator) + filepath.Join(built, "lib", "*")
	if _, err := os.Stat(built); err == nil {
		return classpath, nil
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(target, "build-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := compile(work); err != nil {
		return "", err
	}
	if err := os.Rename(work, built); err != nil && !isThere(built) {
		return "", err
	}
	return classpath, nil
}

func compile(dir string) error {
	if err := os.CopyFS(dir, sources); err != nil {
		return fmt.Errorf("copy sources: %w", err)
	}
	fetch := []string{"mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib"}
	if err := run(dir, fetch); err != nil {
		return err
	}
	files, err := fs.Glob(sources, "*.java")
	if err != nil {
		return err
	}
	return run(dir, append([]string{"javac", "--release", "17", "-cp", "lib/*", "-d", "classes"}, files...))
}

func run(dir string, command []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", command[0], err, out)
	}
	return nil
}

func digest() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := sources.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(b), b)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), err
}

// targetFolder returns testenv/java/target of the module that the test runs in,
// whatever the package.
func targetFolder() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for !isThere(filepath.Join(at, "go.mod")) {
		if filepath.Dir(at) == at {
			return "", errors.New("the test does not run inside the module")
		}
		at = filepath.Dir(at)
	}
	return filepath.Join(at, "testenv", "java", "target"), nil
}

func isThere(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
