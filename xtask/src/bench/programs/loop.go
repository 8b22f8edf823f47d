// Prints the nanoseconds that a time.Now takes.
package main

import (
	"fmt"
	"time"
)

const calls = 5000000

var sink time.Time

func main() {
	start := time.Now()
	for i := 0; i < calls; i++ {
		sink = time.Now()
	}
	fmt.Printf("%.4f\n", float64(time.Since(start).Nanoseconds())/calls)
}
