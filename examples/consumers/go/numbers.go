package main

import "slices"

// Numbers knows which numbers have come, over all partitions of a topic. They ascend in each partition, so what all
// have passed comes no more.
type Numbers struct {
	complete uint64 // Up to here, each has come or was reported.
	ahead    map[uint64]bool
	reached  []uint64 // By partition.
}

// Hole is a range of numbers that are missing.
type Hole struct{ First, Last uint64 }

// NewNumbers knows of none.
func NewNumbers(partitions int32) *Numbers {
	return &Numbers{ahead: map[uint64]bool{}, reached: make([]uint64, partitions)}
}

// Reach notes that a partition has come as far as a number, and whether that came itself; it gives what is now known
// to be missing.
func (n *Numbers) Reach(partition int32, number uint64, came bool) []Hole {
	n.reached[partition] = max(number, n.reached[partition])
	if came && number > n.complete {
		n.ahead[number] = true
	}
	return n.missing(slices.Min(n.reached))
}

// Finish gives what is missing if nothing more comes.
func (n *Numbers) Finish() []Hole { return n.missing(slices.Max(n.reached)) }

func (n *Numbers) missing(passed uint64) []Hole {
	var holes []Hole
	for n.complete < passed || n.ahead[n.complete+1] {
		n.complete++
		switch last := len(holes) - 1; {
		case n.ahead[n.complete]:
			delete(n.ahead, n.complete)
		case last >= 0 && holes[last].Last == n.complete-1:
			holes[last].Last++
		default:
			holes = append(holes, Hole{n.complete, n.complete})
		}
	}
	return holes
}
