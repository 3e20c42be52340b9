package scratch

import "sync"

// A Pool has buffers for one task, which takes and frees them one after the other.
// Small ones it leaves to the collector. The zero Pool is empty. It is safe for
// concurrent use.
type Pool struct {
	mu     sync.Mutex
	idle   [][]byte // the one freed last is last
	bytes  int      // of idle
	closed bool
}

const (
	// least is how many bytes are worth a mapping of their own.
	least = 64 << 10
	// mostIdle is how many bytes wait for who needs some next: enough that most
	// need no new ones, which the system would fill with zeros first.
	mostIdle = 16 << 20
	// loose is how many times as large as asked for a buffer may be.
	loose = 4
)

// Get returns n bytes, whatever is in them. Who has them must either call Free or
// let nobody use them any more; they belong to nobody else before.
func (p *Pool) Get(n int) []byte {
	if n < least {
		return make([]byte, n)
	}
	if b := p.take(n); b != nil {
		return b[:n]
	}
	return get(n)
}

// take returns the smallest idle buffer that is large enough, nil if there is none.
func (p *Pool) take(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := -1
	for i, b := range p.idle {
		if len(b) >= n && len(b)/loose <= n && (best < 0 || len(b) < len(p.idle[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return p.remove(best)
}

func (p *Pool) remove(i int) []byte {
	b := p.idle[i]
	p.idle = append(p.idle[:i], p.idle[i+1:]...)
	p.bytes -= len(b)
	return b
}

// Free takes what Get returned. Nobody may read it afterwards.
func (p *Pool) Free(b []byte) {
	if cap(b) < least {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || cap(b) > mostIdle {
		free(b)
		return
	}
	p.idle = append(p.idle, b[:cap(b)])
	p.bytes += cap(b)
	for p.bytes > mostIdle {
		free(p.remove(0))
	}
}

// Close gives back what is idle, and lets Free do so from then on.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for n := len(p.idle); n > 0; n-- {
		free(p.remove(n - 1))
	}
}
