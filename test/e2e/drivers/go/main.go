// What a small Go service does with pgx: connect, ask, prepare, a transaction, an error, a cancel.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	must(err)
	var user string
	must(c.QueryRow(ctx, "SELECT current_user").Scan(&user))
	sum := 0
	for i := 1; i <= 10; i++ {
		var n int
		must(c.QueryRow(ctx, "SELECT $1::int * 2", i).Scan(&n))
		sum += n
	}
	tx, err := c.Begin(ctx)
	must(err)
	_, err = tx.Exec(ctx, "CREATE TEMP TABLE t (a int) ON COMMIT DROP")
	must(err)
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromRows([][]any{{1}, {2}, {3}}))
	must(err)
	var count int
	must(tx.QueryRow(ctx, "SELECT count(*) FROM t").Scan(&count))
	must(tx.Commit(ctx))
	_, err = c.Exec(ctx, "SELECT 1/0")
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		must(fmt.Errorf("no server error: %v", err))
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	_, err = c.Exec(short, "SELECT pg_sleep(20)")
	cancel()
	fmt.Printf("ok %s %d %d %s %v\n", user, sum, count, failure.Code, err != nil)
}
