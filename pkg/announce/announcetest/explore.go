package announcetest

import "math/rand/v2"

// A Chooser makes the choices of one run, and remembers them. Choice 0 is what
// happens on a good day; every other one is a deviation.
type Chooser struct {
	pick  func(step, of int) int
	taken []int
	of    []int
}

// Choose returns a number in [0, of).
func (c *Chooser) Choose(of int) int {
	n := 0
	if of > 1 {
		n = c.pick(len(c.taken), of)
	}
	c.taken, c.of = append(c.taken, n), append(c.of, of)
	return n
}

// Taken returns the choices so far; Replay makes them again.
func (c *Chooser) Taken() []int { return c.taken }

// Replay returns a Chooser that makes the given choices, and then 0.
func Replay(choices []int) *Chooser {
	return &Chooser{pick: func(step, of int) int {
		if step < len(choices) {
			return min(choices[step], of-1)
		}
		return 0
	}}
}

// Random returns a Chooser that deviates about once in every steps, as seed
// says.
func Random(seed uint64, every int) *Chooser {
	random := rand.New(rand.NewPCG(seed, 0))
	return &Chooser{pick: func(_, of int) int {
		if random.IntN(every) > 0 {
			return 0
		}
		return random.IntN(of)
	}}
}

// Explore calls run with every sequence of choices that has at most that many
// deviations, until it returns an error. Runs with fewer come first. run must
// behave the same for the same choices.
func Explore(deviations int, run func(*Chooser) error) (runs int, err error) {
	level := [][]int{nil}
	for left := deviations; len(level) > 0; left-- {
		var next [][]int
		for _, prefix := range level {
			c := Replay(prefix)
			runs++
			if err := run(c); err != nil {
				return runs, err
			}
			for step := len(prefix); left > 0 && step < len(c.taken); step++ {
				for n := 1; n < c.of[step]; n++ {
					longer := make([]int, step+1) // 0 but for the deviations
					copy(longer, prefix)
					longer[step] = n
					next = append(next, longer)
				}
			}
		}
		level = next
	}
	return runs, nil
}
