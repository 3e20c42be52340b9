// Package testenv runs a whole Holdfast in one process: producers, sidecars
// with real gossip, a logic, its candidate, replay and shadow. [Demo] tells the
// story on real data.
package testenv
