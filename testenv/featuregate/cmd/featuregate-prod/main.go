// Command featuregate-prod is the demo's logic as a command, by the policy
// Prod; holdfast runs it.
package main

import (
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

func main() { logic.Main(featuregate.Logic(nil, featuregate.Prod).Run) }
