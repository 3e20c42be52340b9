// Package sidecar serves datasets to the applications beside it, from memory.
//
// A [Sidecar] keeps a replica of each dataset and answers typed look-ups in the
// dataset's own messages, made from its schema at run time; the generic service
// holdfast.v1.Lookup does the same for any dataset. Every answer says its
// version and its age, and a request can bound them (guarantee G8). A look-up
// sees one version from start to end (G3) and takes no lock (G4).
//
// Reading order: config.go for what can be said, sidecar.go for the wiring and
// the life of a Sidecar, served.go and reconcile.go for what is served,
// gate.go and caller.go for what every call passes and who makes it, arrival.go
// for how requests come, claim.go, pending.go, outbox.go and loan.go for the
// memory of requests and of answers that are made and wait to be sent,
// routes.go for the table that calls are dispatched by, typed.go, plan.go and
// codec.go for the path of a look-up, freshness.go and metadata.go for request
// metadata, list.go and listed.go for lists, generic.go for the generic service
// and http.go for curl, codes.go for errors, server.go for the gRPC server,
// status.go and metrics.go for what is seen from outside.
//
// Invariants:
//
//  1. A call keeps the routing table and the view that it started with.
//  2. A change of schema replaces the routing table in one store; no call
//     fails because of it.
//  3. Ready means applied and queryable, and is decided anew each time.
package sidecar
