// Command kill has processes fight over one folder, kills and stops them, and
// says what came of it. Its exit code is 0 if nothing was wrong, else 1. It is
// run where Holdfast's module is.
package main

import "github.com/holdfast-data/holdfast/testenv/kill"

func main() { kill.Main(".", nil) }
