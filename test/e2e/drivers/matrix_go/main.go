// The steps of the driver matrix with pgx and with lib/pq: each prints "STEP ok", or "STEP: what the driver was told".
package main

import (
	"fmt"
	"os"
	"strings"
)

const table, large = "made_for_drivers", 10_000_000

type step struct {
	name string
	run  func() error
}

func check(holds bool, what string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(what, values...)
}

func first(failures ...error) error {
	for _, each := range failures {
		if each != nil {
			return each
		}
	}
	return nil
}

func main() {
	steps, err := map[string]func() ([]step, error){"pgx": withPgx, "pq": withPq}[os.Args[1]]()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, each := range steps {
		if err := each.run(); err != nil {
			fmt.Printf("%s: %s\n", each.name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Printf("%s ok\n", each.name)
		}
	}
}
