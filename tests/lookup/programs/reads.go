// Reads the time a thousand times.
package main

import "time"

func main() {
	for i := 0; i < 1000; i++ {
		if time.Now().IsZero() {
			panic("no time")
		}
	}
}
