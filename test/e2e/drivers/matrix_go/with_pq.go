package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
)

func pqCode(err error) string {
	var failure *pq.Error
	if errors.As(err, &failure) {
		return string(failure.Code)
	}
	return fmt.Sprint(err)
}

func withPq() ([]step, error) {
	ctx := context.Background()
	db, err := sql.Open("postgres", "")
	if err != nil {
		return nil, err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	count := func(sql string, values ...any) (n int, err error) {
		err = c.QueryRowContext(ctx, sql, values...).Scan(&n)
		return
	}
	exec := func(sql string, values ...any) error {
		_, err := c.ExecContext(ctx, sql, values...)
		return err
	}
	deleted := func(expected int64) error {
		result, err := c.ExecContext(ctx, "DELETE FROM "+table)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		return first(err, check(n == expected, "%d rows deleted", n))
	}
	steps := []step{
		{"simple", func() error {
			var user string
			err := c.QueryRowContext(ctx, "SELECT current_user").Scan(&user)
			return first(err, check(user == os.Getenv("PGUSER"), "user %s", user), exec("SELECT 1; SELECT 2"))
		}},
		{"prepared", func() error {
			twice, err := c.PrepareContext(ctx, "SELECT $1::int * 2")
			if err != nil {
				return err
			}
			for k := 0; k < 30; k++ {
				var n int
				err := twice.QueryRow(k).Scan(&n)
				m, err2 := count(fmt.Sprintf("SELECT %d + $1::int", k), 1)
				if err := first(err, err2, check(n == 2*k && m == k+1, "%d %d", n, m)); err != nil {
					return err
				}
			}
			return twice.Close()
		}},
		{"pipeline", func() error {
			for k := 0; k < 200; k++ {
				if err := exec("INSERT INTO "+table+" VALUES ($1, 'many')", k); err != nil {
					return err
				}
			}
			return deleted(200)
		}},
		{"copy_in", func() error {
			tx, err := c.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			rows, err := tx.Prepare(pq.CopyIn(table, "a", "t"))
			if err != nil {
				return err
			}
			for k := 0; k < 10_000; k++ {
				if _, err := rows.Exec(k, "copied"); err != nil {
					return err
				}
			}
			_, err = rows.Exec()
			err = first(err, rows.Close(), tx.Commit())
			tx, _ = c.BeginTx(ctx, nil)
			rows, err2 := tx.Prepare(pq.CopyIn(table, "a", "t"))
			if err2 == nil {
				rows.Exec("no number", "wrong")
				_, err2 = rows.Exec()
			}
			rows.Close()
			return first(err, check(pqCode(err2) == "22P02", "%v", err2), tx.Rollback())
		}},
		{"copy_out", func() error { return deleted(10_000) }}, // lib/pq has no COPY out
		{"listen", func() error {
			// Connected first: a LISTEN that fails while it connects is tried again for ever, and nobody is told.
			connected := make(chan struct{}, 1)
			listener := pq.NewListener("", 10*time.Millisecond, time.Second, func(event pq.ListenerEventType, _ error) {
				if event == pq.ListenerEventConnected {
					connected <- struct{}{}
				}
			})
			defer listener.Close()
			<-connected
			if err := listener.Listen("matrix"); err != nil {
				return err
			}
			if err := exec("NOTIFY matrix, 'heard'"); err != nil {
				return err
			}
			select {
			case heard := <-listener.Notify:
				return check(heard != nil && heard.Extra == "heard", "%v", heard)
			case <-time.After(10 * time.Second):
				return errors.New("heard nothing")
			}
		}},
		{"cancel", func() error {
			limited, done := context.WithTimeout(ctx, 300*time.Millisecond)
			defer done()
			_, err := c.ExecContext(limited, "SELECT pg_sleep(20)")
			if err := check(err != nil && (pqCode(err) == "57014" || errors.Is(err, context.DeadlineExceeded)), "%v", err); err != nil {
				return err
			}
			c, err = db.Conn(ctx) // lib/pq gives up the connection
			return first(err, exec("SELECT 1"))
		}},
		{"savepoints", func() error {
			tx, err := c.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			for _, sql := range []string{"INSERT INTO " + table + " VALUES (1, 'kept')", "SAVEPOINT s", "INSERT INTO " + table + " VALUES (2, 'lost')"} {
				if _, err := tx.Exec(sql); err != nil {
					return err
				}
			}
			_, failed := tx.Exec("SELECT 1/0")
			_, err = tx.Exec("ROLLBACK TO s")
			return first(err, check(pqCode(failed) == "22012", "%v", failed), tx.Commit(), deleted(1))
		}},
		{"errors", func() error {
			for sql, expected := range map[string]string{"SELECT 1/0": "22012", "SELEKT": "42601", "SELECT * FROM nowhere": "42P01"} {
				if err := exec(sql); pqCode(err) != expected {
					return fmt.Errorf("%s: %v", sql, err)
				}
			}
			return exec("SELECT 1")
		}},
		{"large", func() error {
			var text string
			err := c.QueryRowContext(ctx, "SELECT repeat('x', $1)", large).Scan(&text)
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
