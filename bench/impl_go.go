// SPDX-License-Identifier: Apache-2.0

// Goroutines that hand over by channels, on one processor: a program of its own,
// which answers as protocol.h says.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type signal struct{}

type row struct {
	name  string
	tasks int
	setup func(n int)
	run   func(n int) // nil: setup leaves the result in value
}

var (
	tasks    []chan signal // a value resumes the goroutine that waits there
	yielded  = make(chan signal)
	nextTask int
	cpuClock bool
	cos      int
	value    float64
)

func bodyLoop(resumed chan signal) {
	for {
		yielded <- signal{}
		<-resumed
	}
}

func bodyShort() {
	yielded <- signal{}
}

func makeTasks(n int) {
	for i := 0; i < n; i++ {
		resumed := make(chan signal)
		tasks = append(tasks, resumed)
		go bodyLoop(resumed)
		<-yielded
	}
}

// shuffle has the same order as bench_shuffle() of machine.c.
func shuffle(n int, swap func(i, j int)) {
	x := uint64(1)
	for ; n > 1; n-- {
		x = x*6364136223846793005 + 1442695040888963407
		swap(int((x>>33)%uint64(n)), n-1)
	}
}

func makeRandom(n int) {
	makeTasks(n)
	shuffle(n, func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
}

// residentExactly is from the page tables; 0: the kernel does not tell.
func residentExactly() float64 {
	var kib float64
	text, _ := os.ReadFile("/proc/self/smaps_rollup")
	if at := strings.Index(string(text), "\nRss:"); at >= 0 {
		fmt.Sscan(string(text[at+len("\nRss:"):]), &kib)
	}
	return kib * 1024
}

// resident has the same sources as bench_resident() of machine.c.
func resident() float64 {
	var total, pages float64
	if exact := residentExactly(); exact > 0 {
		return exact
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &total, &pages)
	}
	if err != nil {
		skip("/proc/self/statm is not there")
	}
	return pages * float64(os.Getpagesize())
}

func makeMemory(most int) {
	if cos > most {
		cos = most
	}
	before := resident()
	makeTasks(cos)
	value = (resident() - before) / float64(cos)
}

func runTurn(n int) {
	for ; n > 0; n-- {
		tasks[nextTask] <- signal{}
		<-yielded
		if nextTask++; nextTask == len(tasks) {
			nextTask = 0
		}
	}
}

// The runtime keeps the stacks of goroutines that have ended for new ones.
func runCreate(n int) {
	for ; n > 0; n-- {
		go bodyShort()
		<-yielded
	}
}

var rows = []row{
	{"switch/go", 1, makeTasks, runTurn},
	{"turn-2/go", 2, makeTasks, runTurn},
	{"turn-1000/go", 1000, makeTasks, runTurn},
	{"turn-100000/go", 100000, makeTasks, runTurn},
	{"random-own-10000/go", 10000, makeRandom, runTurn},
	{"random-own-100000/go", 100000, makeRandom, runTurn},
	{"random-own-1000000/go", 1000000, makeRandom, runTurn},
	{"memory-own/go", 10000, makeMemory, nil},
	{"create-reuse/go", 0, makeTasks, runCreate},
}

// now returns nanoseconds on the wall, or of CPU time of all threads: the runtime
// may move the goroutines to another one.
func now() float64 {
	if !cpuClock {
		return float64(time.Since(start).Nanoseconds())
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		skip(err.Error())
	}
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

var start = time.Now()

func timeRun(r row, n int) float64 {
	begin := now()
	r.run(n)
	return now() - begin
}

func timeRow(r row, ms float64) {
	r.setup(r.tasks)
	if r.run == nil {
		fmt.Printf("value=%.4f unit=bytes cos=%d\n", value, cos)
		return
	}
	n := 1
	for timeRun(r, n) < ms*1e6 {
		n *= 2
	}
	clock := "wall"
	if cpuClock {
		clock = "process"
	}
	fmt.Printf("value=%.4f unit=ns clock=%s\n", timeRun(r, n)/float64(n), clock)
}

func printOrder(n int) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, i := range order {
		fmt.Println(i)
	}
}

func skip(why string) {
	fmt.Println("skip", why)
	os.Exit(0)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: list | about | order N | time ROW MS COS wall|cpu | count ROW COS")
	os.Exit(2)
}

func positive(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !(value > 0) {
		usage()
	}
	return value
}

func findRow(name string) row {
	for _, r := range rows {
		if r.name == name {
			return r
		}
	}
	fmt.Fprintln(os.Stderr, "no such row:", name)
	os.Exit(2)
	return row{}
}

func main() {
	runtime.GOMAXPROCS(1)
	args := os.Args[1:]
	if len(args) == 0 {
		usage()
	}
	switch fmt.Sprintf("%s %d", args[0], len(args)-1) {
	case "list 0":
		for _, r := range rows {
			fmt.Println(r.name)
		}
	case "about 0":
		fmt.Printf("%s, %d bits\n", runtime.Version(), strconv.IntSize)
	case "time 4":
		r, ms := findRow(args[1]), positive(args[2])
		cos = int(positive(args[3]))
		if args[4] != "wall" && args[4] != "cpu" {
			usage()
		}
		cpuClock = args[4] == "cpu"
		timeRow(r, ms)
	case "order 1":
		printOrder(int(positive(args[1])))
	case "count 2":
		findRow(args[1])
		skip("nothing to count: the runtime has several threads")
	default:
		usage()
	}
}
