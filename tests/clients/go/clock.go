// Reads the clocks as a Go program does, with time.Now from several goroutines, and says whether they are right.
//
//	clock check READS TOLERANCE   each read between two raw system calls; TOLERANCE in nanoseconds
//	clock count READS             only time.Now: with a working vDSO, no clock system call at all
//
// Prints as clock.c does; see there for what "right" means. Built without cgo, so that the runtime finds the vDSO by
// its own parser (runtime/vdso_linux.go) and calls it on its own stack, with goroutines preempted by signals.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockRealtime  = 0
	clockMonotonic = 1
	goroutines     = 4
)

var rawCalls int64

// rawClock asks the kernel, in nanoseconds; the time package does not.
func rawClock(id uintptr) int64 {
	atomic.AddInt64(&rawCalls, 1)
	var t syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		fmt.Fprintln(os.Stderr, "clock_gettime:", errno)
		os.Exit(2)
	}
	return t.Nano()
}

// spread says how far reads lay outside the raw ones around them, in nanoseconds; 0 if none did.
type spread struct{ before, after int64 }

func (s *spread) add(earlier, read, later int64) {
	if earlier-read > s.before {
		s.before = earlier - read
	}
	if read-later > s.after {
		s.after = read - later
	}
}

func (s *spread) join(other spread) {
	s.add(other.before, 0, 0)
	s.add(0, other.after, 0)
}

// origin ties time.Now's monotonic reading, which Go shows as a difference only, to the kernel's.
type origin struct {
	now            time.Time
	earlier, later int64
}

// newOrigin takes the tightest of many, since its width widens every bound.
func newOrigin() origin {
	best := origin{later: int64(^uint64(0) >> 1)}
	for i := 0; i < 1000; i++ {
		one := origin{earlier: rawClock(clockMonotonic)}
		one.now = time.Now()
		one.later = rawClock(clockMonotonic)
		if one.later-one.earlier < best.later-best.earlier {
			best = one
		}
	}
	return best
}

// bracket makes reads between raw ones.
func bracket(start origin, reads int) (wall, monotonic spread) {
	for i := 0; i < reads; i++ {
		earlierWall, earlier := rawClock(clockRealtime), rawClock(clockMonotonic)
		now := time.Now()
		later, laterWall := rawClock(clockMonotonic), rawClock(clockRealtime)
		wall.add(earlierWall, now.UnixNano(), laterWall)
		monotonic.add(earlier-start.later, int64(now.Sub(start.now)), later-start.earlier)
	}
	return wall, monotonic
}

// onGoroutines runs body on all of them and waits.
func onGoroutines(body func()) {
	var group sync.WaitGroup
	for i := 0; i < goroutines; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			body()
		}()
	}
	group.Wait()
}

func judge(name string, s spread, reads int, tolerance int64) bool {
	good := s.before <= tolerance && s.after <= tolerance
	return verdict(good, name, fmt.Sprintf("%d reads, at most %d ns before and %d ns after the raw ones, tolerance %d ns",
		reads, s.before, s.after, tolerance))
}

func verdict(good bool, name, figures string) bool {
	word := "ok  "
	if !good {
		word = "BAD "
	}
	fmt.Printf("%s %s: %s\n", word, name, figures)
	return good
}

func check(reads int, tolerance int64) bool {
	start := newOrigin()
	var lock sync.Mutex
	var wall, monotonic spread
	onGoroutines(func() {
		w, m := bracket(start, reads/goroutines)
		lock.Lock()
		defer lock.Unlock()
		wall.join(w)
		monotonic.join(m)
	})
	good := judge("time.Now, wall clock", wall, reads, tolerance)
	// A difference of two reads: either may be off.
	return judge("time.Now, monotonic clock", monotonic, reads, 2*tolerance) && good
}

// count passes the latest monotonic reading between the goroutines; none may read an earlier one.
func count(reads int) bool {
	start := time.Now()
	var latest, back int64
	onGoroutines(func() {
		for i := 0; i < reads/goroutines; i++ {
			seen := atomic.LoadInt64(&latest)
			now := int64(time.Since(start))
			if now < seen {
				atomic.AddInt64(&back, 1)
			}
			for seen < now && !atomic.CompareAndSwapInt64(&latest, seen, now) {
				seen = atomic.LoadInt64(&latest)
			}
		}
	})
	good := back == 0 && latest > 0 && start.Year() >= 2024
	return verdict(good, "time.Now", fmt.Sprintf("%d reads, %d backwards, went on by %d ns, started at %s",
		reads, back, latest, start.Format(time.RFC3339)))
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil || value < 0 {
		fmt.Fprintf(os.Stderr, "'%s' is no number\n", text)
		os.Exit(2)
	}
	return value
}

func main() {
	var good bool
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "check":
		good = check(number(args[1]), int64(number(args[2])))
	case len(args) == 2 && args[0] == "count":
		good = count(number(args[1]))
	default:
		fmt.Fprintln(os.Stderr, "usage: clock check READS TOLERANCE | clock count READS")
		os.Exit(2)
	}
	fmt.Printf("clock system calls expected: %d\n", rawCalls)
	if !good {
		fmt.Println("FAIL")
		os.Exit(1)
	}
	fmt.Println("PASS")
}
