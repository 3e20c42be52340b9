package producer

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// stuck is a source that gives a text and then nothing, until it is let go.
type stuck struct {
	text    string
	reached chan<- struct{} // gets one when it has nothing more
	release <-chan struct{}
	closed  chan struct{}
}

func (s *stuck) Read(b []byte) (int, error) {
	if s.text == "" {
		s.reached <- struct{}{}
		<-s.release
		return 0, io.EOF
	}
	n := copy(b, s.text)
	s.text = s.text[n:]
	return n, nil
}

func (s *stuck) Close() error {
	close(s.closed)
	return nil
}

// TestPublishInterrupted ends a publish that waits for its source, which is
// closed nevertheless.
func TestPublishInterrupted(t *testing.T) {
	for name, text := range map[string]string{"open": "", "first read": "", "within a line": good + `{"id"`} {
		t.Run(name, func(t *testing.T) {
			reached, release, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
			cfg := config(t, blob.NewMemory())
			cfg.Files = []File{{Name: "f", Open: func() (io.ReadCloser, error) {
				if name == "open" {
					reached <- struct{}{}
					<-release
				}
				return &stuck{text, reached, release, closed}, nil
			}}}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-reached
				cancel()
			}()
			if _, err := Publish(ctx, cfg); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
			close(release)
			<-closed
		})
	}
}
