// Package protomap maps protobuf messages to the types of a state and back, by
// the rules of docs/format/mapping.md.
//
// A [Mapping] is made of a .proto file ([Compile]) or of the descriptor set
// that a store keeps ([FromDescriptorSet]). It yields the schemas of the
// dataset, puts messages into a [Sink], and encodes records as protobuf bytes
// straight from their columns, or as ProtoJSON. A Mapping is immutable and safe
// for concurrent use.
//
// Errors about one value are a [*ValueError], errors about a declaration a
// [*SchemaError]; both wrap a cause that errors.Is finds.
//
// Reading order: mapping.go and plan.go for what is mapped to what, compile.go
// for where it comes from, sources.go, scan.go and measure.go for how much of it
// there may be; add.go for records in, append.go, scalar.go and
// order.go for records out; parse.go, locate.go and json.go for ProtoJSON,
// loaded.go for what it lacks of states that are loaded in part;
// key.go for keys; redeclare.go and source.go for the file that clients see,
// derive.go for a dataset whose owner declared nothing.
package protomap
