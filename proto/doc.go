// Package proto is the home of the protobuf sources (holdfast/v1) and of the
// command that makes Go of them. "go generate ./proto" needs no protoc, only
// protoc-gen-go and protoc-gen-go-grpc in .tools or on the PATH.
package proto

//go:generate go run ./internal/gen holdfast/v1/options.proto holdfast/v1/lookup.proto holdfast/v1/logic.proto holdfast/v1/session.proto
