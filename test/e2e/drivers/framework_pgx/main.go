// pgxpool with its defaults. Steps are named on the command line; each prints "STEP ok", or what pgx was told.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

type author struct {
	ID   int64
	Name string
}

var (
	ctx      = context.Background()
	database *pgxpool.Pool
)

func migrate() error {
	_, err := database.Exec(ctx, `CREATE TABLE pgx_author (id bigserial PRIMARY KEY, name text UNIQUE)`)
	return err
}

func count(sql string, wanted int64) error {
	var seen int64
	if err := database.QueryRow(ctx, sql).Scan(&seen); err != nil {
		return err
	}
	if seen != wanted {
		return fmt.Errorf("%d rows, not %d: %s", seen, wanted, sql)
	}
	return nil
}

func crud() error {
	batch := &pgx.Batch{}
	for k := range 50 {
		batch.Queue("INSERT INTO pgx_author (name) VALUES ($1)", fmt.Sprint("author", k))
	}
	if err := database.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	if _, err := database.Exec(ctx, "UPDATE pgx_author SET name = $1 WHERE name = $2", "renamed", "author0"); err != nil {
		return err
	}
	if _, err := database.Exec(ctx, "DELETE FROM pgx_author WHERE name = $1", "author1"); err != nil {
		return err
	}
	rows, err := database.Query(ctx, "SELECT id, name FROM pgx_author ORDER BY id")
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[author])
	if err == nil && (len(all) != 49 || all[0].Name == "author0") {
		err = fmt.Errorf("%d authors, the first %v", len(all), all[0])
	}
	return err
}

func savepoint() error {
	err := pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO pgx_author (name) VALUES ('kept')"); err != nil {
			return err
		}
		var told *pgconn.PgError
		err := pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
			_, err := inner.Exec(ctx, "INSERT INTO pgx_author (name) VALUES ('kept')")
			return err
		})
		if !errors.As(err, &told) || told.Code != "23505" {
			return fmt.Errorf("no unique violation: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return count("SELECT count(*) FROM pgx_author WHERE name = 'kept'", 1)
}

func pool() error {
	var all sync.WaitGroup
	failed := make([]error, 4)
	for number := range 4 {
		all.Go(func() {
			for k := range 50 {
				name := fmt.Sprintf("thread%d-%d", number, k)
				failed[number] = errors.Join(failed[number], pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
					var id int64
					if err := tx.QueryRow(ctx, "INSERT INTO pgx_author (name) VALUES ($1) RETURNING id", name).Scan(&id); err != nil {
						return err
					}
					var seen string
					if err := tx.QueryRow(ctx, "SELECT name FROM pgx_author WHERE id = $1", id).Scan(&seen); err != nil {
						return err
					}
					if seen != name {
						return fmt.Errorf("%s instead of %s", seen, name)
					}
					return nil
				}))
			}
		})
	}
	all.Wait()
	return errors.Join(errors.Join(failed...), count("SELECT count(*) FROM pgx_author WHERE name LIKE 'thread%'", 200))
}

// Rows come as they are read; a cursor in a transaction, for more than fits.
func stream() error {
	return pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DECLARE authors CURSOR FOR SELECT id FROM pgx_author"); err != nil {
			return err
		}
		seen := 0
		for {
			rows, err := tx.Query(ctx, "FETCH 20 FROM authors")
			if err != nil {
				return err
			}
			part, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			if err != nil {
				return err
			}
			if seen += len(part); len(part) == 0 {
				break
			}
		}
		if seen < 200 {
			return fmt.Errorf("only %d rows", seen)
		}
		return nil
	})
}

func listen() error {
	connection, err := database.Acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release()
	if _, err := connection.Exec(ctx, "LISTEN jobs"); err != nil {
		return err
	}
	if _, err := database.Exec(ctx, "NOTIFY jobs, 'one'"); err != nil {
		return err
	}
	_, err = connection.Conn().WaitForNotification(ctx)
	return err
}

func main() {
	settings, err := pgxpool.ParseConfig("host=" + os.Getenv("PGHOST") + " port=" + os.Getenv("PGPORT") + " user=app dbname=app pool_max_conns=4")
	if err == nil {
		database, err = pgxpool.NewWithConfig(ctx, settings)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer database.Close()
	steps := map[string]func() error{"migrate": migrate, "crud": crud, "savepoint": savepoint, "pool": pool, "stream": stream, "listen": listen}
	for _, name := range os.Args[1:] {
		if err := steps[name](); err != nil {
			fmt.Println(name+":", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println(name, "ok")
		}
	}
}
