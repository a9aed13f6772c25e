// SPDX-License-Identifier: Apache-2.0

// Goroutines and net/http, see hello.h.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve-go:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: hello | echo | sleepers N ROUNDS | channel N")
	os.Exit(2)
}

func number(i int) int {
	if i >= len(os.Args) {
		usage()
	}
	n, err := strconv.Atoi(os.Args[i])
	if err != nil || n < 1 {
		usage()
	}
	return n
}

func listener() net.Listener {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	need(err)
	return l
}

func hello() {
	answer := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello\n")
	}
	need(http.Serve(listener(), http.HandlerFunc(answer)))
}

func echoOne(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err = c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func echo() {
	l := listener()
	for {
		c, err := l.Accept()
		need(err)
		go echoOne(c)
	}
}

func sleepers(n, rounds int) {
	var all sync.WaitGroup
	start := make(chan bool) // all are there before the first one sleeps
	all.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			<-start
			for k := 0; k < rounds; k++ {
				time.Sleep(time.Duration(1000+i%1000) * time.Millisecond)
			}
			all.Done()
		}(i)
	}
	close(start)
	all.Wait()
}

func channel(n int) {
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for i := range there {
			back <- i
		}
	}()
	for i := 0; i < n; i++ {
		there <- i
		<-back
	}
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "hello":
		hello()
	case "echo":
		echo()
	case "sleepers":
		sleepers(number(2), number(3))
	case "channel":
		channel(number(2))
	default:
		usage()
	}
}
