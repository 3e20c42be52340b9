package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAdminIsNoAddress asks an HTTP server for look-ups, as who gives the address
// of the admin server does.
func TestAdminIsNoAddress(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, err := command(t, "get", "n", "x", "--address", s.Listener.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "speaks HTTP, not gRPC: is it the admin server") {
		t.Errorf("error %v", err)
	}
}
