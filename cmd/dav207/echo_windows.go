package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// echoOff keeps a console from showing what is typed, until restore is called. What is no console stays as it is.
func echoOff(f *os.File) (restore func(), terminal bool, err error) {
	console := windows.Handle(f.Fd())
	var old uint32
	if windows.GetConsoleMode(console, &old) != nil {
		return nil, false, nil
	}
	quiet := old&^windows.ENABLE_ECHO_INPUT | windows.ENABLE_LINE_INPUT | windows.ENABLE_PROCESSED_INPUT
	if err := windows.SetConsoleMode(console, quiet); err != nil {
		return nil, true, err
	}
	return func() { windows.SetConsoleMode(console, old) }, true, nil
}
