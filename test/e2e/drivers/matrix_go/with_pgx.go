package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func code(err error) string {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return failure.Code
	}
	return fmt.Sprint(err)
}

func withPgx() ([]step, error) {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, "")
	if err != nil {
		return nil, err
	}
	other, err := pgx.Connect(ctx, "")
	if err != nil {
		return nil, err
	}
	count := func(sql string, values ...any) (n int, err error) {
		err = c.QueryRow(ctx, sql, values...).Scan(&n)
		return
	}
	exec := func(sql string, values ...any) error {
		_, err := c.Exec(ctx, sql, values...)
		return err
	}
	steps := []step{
		{"simple", func() error {
			var user string
			err := c.QueryRow(ctx, "SELECT current_user", pgx.QueryExecModeSimpleProtocol).Scan(&user)
			return first(err, check(user == os.Getenv("PGUSER"), "user %s", user), exec("SELECT 1; SELECT 2", pgx.QueryExecModeSimpleProtocol))
		}},
		{"prepared", func() error {
			for k := 0; k < 30; k++ {
				for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
					pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec} {
					n, err := count("SELECT $1::int * 2", mode, k)
					m, err2 := count(fmt.Sprintf("SELECT %d + $1::int", k), mode, 1)
					if err := first(err, err2, check(n == 2*k && m == k+1, "%d %d", n, m)); err != nil {
						return err
					}
				}
			}
			_, err := c.Prepare(ctx, "by_name", "SELECT $1::int + 7")
			n, err2 := count("by_name", 3)
			return first(err, err2, check(n == 10, "%d", n), c.Deallocate(ctx, "by_name"), c.DeallocateAll(ctx))
		}},
		{"pipeline", func() error {
			batch := &pgx.Batch{}
			for k := 0; k < 200; k++ {
				batch.Queue("INSERT INTO "+table+" VALUES ($1, 'many')", k)
			}
			batch.Queue("SELECT $1::int", 5)
			err := c.SendBatch(ctx, batch).Close()
			bad := &pgx.Batch{}
			bad.Queue("INSERT INTO " + table + " VALUES (1, 'lost')")
			bad.Queue("SELECT 1/0")
			failed := c.SendBatch(ctx, bad).Close()
			gone, err2 := c.Exec(ctx, "DELETE FROM "+table)
			return first(err, err2, check(code(failed) == "22012", "%v", failed), check(gone.RowsAffected() == 200, "%v", gone))
		}},
		{"copy_in", func() error {
			rows := make([][]any, 10_000)
			for k := range rows {
				rows[k] = []any{k, "copied"}
			}
			n, err := c.CopyFrom(ctx, pgx.Identifier{table}, []string{"a", "t"}, pgx.CopyFromRows(rows))
			_, wrong := c.PgConn().CopyFrom(ctx, strings.NewReader("no number\twrong\n"), "COPY "+table+" FROM STDIN")
			return first(err, check(n == 10_000, "%d rows", n), check(code(wrong) == "22P02", "%v", wrong))
		}},
		{"copy_out", func() error {
			var out bytes.Buffer
			_, err := c.PgConn().CopyTo(ctx, &out, "COPY (SELECT a FROM "+table+" WHERE t = 'copied') TO STDOUT")
			gone, err2 := c.Exec(ctx, "DELETE FROM "+table)
			return first(err, err2, check(bytes.Count(out.Bytes(), []byte("\n")) == 10_000, "rows"), check(gone.RowsAffected() == 10_000, "%v", gone))
		}},
		{"listen", func() error {
			if err := exec("LISTEN matrix"); err != nil {
				return err
			}
			if _, err := other.Exec(ctx, "NOTIFY matrix, 'heard'"); err != nil {
				return err
			}
			limited, done := context.WithTimeout(ctx, 10*time.Second)
			defer done()
			heard, err := c.WaitForNotification(limited)
			return first(err, func() error { return check(heard.Payload == "heard", "%v", heard) }(), exec("UNLISTEN *"))
		}},
		{"cancel", func() error {
			go func() {
				time.Sleep(300 * time.Millisecond)
				c.PgConn().CancelRequest(ctx)
			}()
			err := exec("SELECT pg_sleep(20)")
			return first(check(code(err) == "57014", "%v", err), exec("SELECT 1"))
		}},
		{"savepoints", func() error {
			err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO "+table+" VALUES (1, 'kept')")
				inner := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
					tx.Exec(ctx, "INSERT INTO "+table+" VALUES (2, 'lost')")
					_, err := tx.Exec(ctx, "SELECT 1/0")
					return err
				})
				return first(err, check(code(inner) == "22012", "%v", inner))
			})
			gone, err2 := c.Exec(ctx, "DELETE FROM "+table)
			return first(err, err2, check(gone.RowsAffected() == 1, "%v", gone))
		}},
		{"errors", func() error {
			for sql, expected := range map[string]string{"SELECT 1/0": "22012", "SELEKT": "42601", "SELECT * FROM nowhere": "42P01"} {
				if err := exec(sql); code(err) != expected {
					return fmt.Errorf("%s: %v", sql, err)
				}
			}
			return exec("SELECT 1")
		}},
		{"large", func() error {
			var text string
			err := c.QueryRow(ctx, "SELECT repeat('x', $1)", large).Scan(&text)
			n, err2 := count("SELECT length($1::text)", strings.Repeat("y", large))
			return first(err, err2, check(len(text) == large && n == large, "%d %d", len(text), n))
		}},
		{"state", func() error {
			for _, sql := range []string{"CREATE TEMP TABLE of_the_session (a int)", "INSERT INTO of_the_session VALUES (1)", "DROP TABLE of_the_session"} {
				if err := exec(sql); err != nil {
					return err
				}
			}
			return nil
		}},
	}
	return steps, nil
}
