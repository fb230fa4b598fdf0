use crate::{check, report, variable, Outcome, LARGE, TABLE};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions};
use sqlx::{Connection, Executor, PgPool};
use std::time::Duration;

fn code<T>(outcome: Result<T, sqlx::Error>) -> String {
    outcome.err().and_then(|e| e.as_database_error().and_then(|e| e.code().map(|c| c.to_string()))).unwrap_or_default()
}

fn options() -> PgConnectOptions {
    // PGPASSWORD and what TLS needs are read by itself.
    let at = PgConnectOptions::new_without_pgpass();
    let host = variable("PGHOST");
    (if host.starts_with('/') { at.socket(host) } else { at.host(&host) })
        .port(variable("PGPORT").parse().unwrap())
        .username(&variable("PGUSER"))
        .database(&variable("PGDATABASE"))
}

async fn deleted(c: &mut PgConnection, expected: u64) -> Outcome {
    check(sqlx::query(&format!("DELETE FROM {TABLE}")).execute(c).await?.rows_affected() == expected, "deleted")
}

async fn simple(c: &mut PgConnection) -> Outcome {
    check(sqlx::query_scalar::<_, String>("SELECT current_user::text").fetch_one(&mut *c).await? == variable("PGUSER"), "user")?;
    c.execute("SELECT 1; SELECT 2").await?;
    Ok(())
}

async fn prepared(c: &mut PgConnection) -> Outcome {
    for k in 0..30i32 {
        check(sqlx::query_scalar::<_, i32>("SELECT $1::int * 2").bind(k).fetch_one(&mut *c).await? == 2 * k, "twice")?;
        let plus = format!("SELECT {k} + $1::int");
        check(sqlx::query_scalar::<_, i32>(&plus).bind(1).fetch_one(&mut *c).await? == k + 1, "plus")?;
        check(sqlx::query_scalar::<_, i32>(&plus).persistent(false).bind(1).fetch_one(&mut *c).await? == k + 1, "unnamed")?;
    }
    let rows: Vec<i32> = sqlx::query_scalar::<_, i32>("SELECT generate_series(1, 1000)").fetch(&mut *c).try_collect().await?;
    check(rows.len() == 1000, "rows")?;
    Ok(c.clear_cached_statements().await?)
}

async fn pipeline(c: &mut PgConnection) -> Outcome {
    for k in 0..200i32 {
        sqlx::query(&format!("INSERT INTO {TABLE} VALUES ($1, 'many')")).bind(k).execute(&mut *c).await?;
    }
    deleted(c, 200).await
}

async fn copy_in(c: &mut PgConnection) -> Outcome {
    let mut into = c.copy_in_raw(&format!("COPY {TABLE} FROM STDIN")).await?;
    for k in 0..10_000 {
        into.send(format!("{k}\tcopied\n").into_bytes()).await?;
    }
    check(into.finish().await? == 10_000, "rows")?;
    let mut wrong = c.copy_in_raw(&format!("COPY {TABLE} FROM STDIN")).await?;
    wrong.send(b"no number\twrong\n".to_vec()).await?;
    check(code(wrong.finish().await) == "22P02", "a wrong row was taken")
}

async fn copy_out(c: &mut PgConnection) -> Outcome {
    let pieces: Vec<_> = c.copy_out_raw(&format!("COPY (SELECT a FROM {TABLE}) TO STDOUT")).await?.try_collect().await?;
    check(pieces.len() == 10_000, "rows")?;
    deleted(c, 10_000).await
}

async fn listen(pool: &PgPool) -> Outcome {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("matrix").await?;
    sqlx::query("NOTIFY matrix, 'heard'").execute(pool).await?;
    let heard = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await??;
    check(heard.payload() == "heard", "notification")
}

async fn cancel(c: &mut PgConnection, pool: &PgPool) -> Outcome {
    let pool = pool.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        sqlx::query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg\\_sleep%'").execute(&pool).await
    });
    check(code(c.execute("SELECT pg_sleep(20)").await) == "57014", "not cancelled")?;
    c.execute("SELECT 1").await?;
    Ok(())
}

async fn savepoints(c: &mut PgConnection) -> Outcome {
    let mut outer = c.begin().await?;
    outer.execute(format!("INSERT INTO {TABLE} VALUES (1, 'kept')").as_str()).await?;
    {
        let mut inner = outer.begin().await?;
        inner.execute(format!("INSERT INTO {TABLE} VALUES (2, 'lost')").as_str()).await?;
        check(code(inner.execute("SELECT 1/0").await) == "22012", "no error")?;
        inner.rollback().await?;
    }
    outer.commit().await?;
    deleted(c, 1).await
}

async fn errors(c: &mut PgConnection) -> Outcome {
    for (sql, expected) in [("SELECT 1/0", "22012"), ("SELEKT", "42601"), ("SELECT * FROM nowhere", "42P01")] {
        check(code(c.execute(sql).await) == expected, sql)?;
        check(code(sqlx::query(sql).execute(&mut *c).await) == expected, sql)?;
    }
    c.execute("SELECT 1").await?;
    Ok(())
}

async fn large(c: &mut PgConnection) -> Outcome {
    let text: String = sqlx::query_scalar("SELECT repeat('x', $1)").bind(LARGE as i32).fetch_one(&mut *c).await?;
    check(text.len() == LARGE, "read")?;
    let length: i32 = sqlx::query_scalar("SELECT length($1::text)").bind("y".repeat(LARGE)).fetch_one(&mut *c).await?;
    check(length as usize == LARGE, "written")
}

async fn state(c: &mut PgConnection) -> Outcome {
    for sql in ["CREATE TEMP TABLE of_the_session (a int)", "INSERT INTO of_the_session VALUES (1)", "DROP TABLE of_the_session"] {
        c.execute(sql).await?;
    }
    Ok(())
}

pub async fn run() -> Outcome {
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options()).await?;
    let mut c = PgConnection::connect_with(&options()).await?;
    report("simple", simple(&mut c).await);
    report("prepared", prepared(&mut c).await);
    report("pipeline", pipeline(&mut c).await);
    report("copy_in", copy_in(&mut c).await);
    report("copy_out", copy_out(&mut c).await);
    report("listen", listen(&pool).await);
    report("cancel", cancel(&mut c, &pool).await);
    report("savepoints", savepoints(&mut c).await);
    report("errors", errors(&mut c).await);
    report("large", large(&mut c).await);
    report("state", state(&mut c).await);
    Ok(())
}
