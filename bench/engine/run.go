package main

import (
	"context"
)

func run(ctx context.Context, o options) error { return nil }
