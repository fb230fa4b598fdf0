use crate::{check, report, variable, Outcome, LARGE, TABLE};
use bytes::Bytes;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use postgres_openssl::MakeTlsConnector;
use futures_util::{future::join_all, pin_mut, SinkExt, StreamExt, TryStreamExt};
use std::time::Duration;
use tokio_postgres::{config::SslMode, AsyncMessage, Client};

type Notified = tokio::sync::mpsc::UnboundedReceiver<String>;

fn tls() -> MakeTlsConnector {
    let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
    if let Ok(roots) = std::env::var("PGSSLROOTCERT") {
        builder.set_ca_file(roots).unwrap();
    }
    if let Ok(certificate) = std::env::var("PGSSLCERT") {
        builder.set_certificate_chain_file(certificate).unwrap();
        builder.set_private_key_file(variable("PGSSLKEY"), SslFiletype::PEM).unwrap();
    }
    MakeTlsConnector::new(builder.build())
}

async fn connect() -> Result<(Client, Notified), tokio_postgres::Error> {
    let mut at = tokio_postgres::Config::new();
    at.host(variable("PGHOST")).port(variable("PGPORT").parse().unwrap()).user(variable("PGUSER")).dbname(variable("PGDATABASE"));
    if let Ok(password) = std::env::var("PGPASSWORD") {
        at.password(password);
    }
    if std::env::var("PGSSLROOTCERT").is_ok() {
        at.ssl_mode(SslMode::Require);
    }
    let (client, mut connection) = at.connect(tls()).await?;
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(heard) = message {
                let _ = tell.send(heard.payload().to_string());
            }
        }
    });
    Ok((client, told))
}

fn code(outcome: Result<(), tokio_postgres::Error>) -> String {
    outcome.err().and_then(|e| e.code().map(|c| c.code().to_string())).unwrap_or_default()
}

async fn prepared(c: &Client) -> Outcome {
    let twice = c.prepare("SELECT $1::int * 2").await?;
    for k in 0..30i32 {
        check(c.query_one(&twice, &[&k]).await?.get::<_, i32>(0) == 2 * k, "twice")?;
        check(c.query_one(&format!("SELECT {k} + $1::int"), &[&1i32]).await?.get::<_, i32>(0) == k + 1, "plus")?;
    }
    Ok(())
}

async fn pipeline(c: &Client) -> Outcome {
    let insert = c.prepare(&format!("INSERT INTO {TABLE} VALUES ($1, 'many')")).await?;
    let values: Vec<i32> = (0..200).collect();
    let all = values.iter().map(|k| { let insert = &insert; async move { c.execute(insert, &[k]).await } });
    for each in join_all(all).await {
        each?;
    }
    check(c.execute(&format!("DELETE FROM {TABLE}"), &[]).await? == 200, "rows")
}

async fn copy_in(c: &Client) -> Outcome {
    let sink = c.copy_in::<_, Bytes>(&format!("COPY {TABLE} FROM STDIN")).await?;
    pin_mut!(sink);
    for k in 0..10_000 {
        sink.send(Bytes::from(format!("{k}\tcopied\n"))).await?;
    }
    check(sink.finish().await? == 10_000, "rows")?;
    // It sends a Sync into the COPY. Where that fails nobody can tell how many are answered: such a session is pinned.
    let (other, _) = connect().await?;
    let wrong = other.copy_in::<_, Bytes>(&format!("COPY {TABLE} FROM STDIN")).await?;
    pin_mut!(wrong);
    wrong.send(Bytes::from("no number\twrong\n")).await?;
    check(code(wrong.finish().await.map(|_| ())) == "22P02", "a wrong row was taken")
}

async fn copy_out(c: &Client) -> Outcome {
    let pieces: Vec<Bytes> = c.copy_out(&format!("COPY (SELECT a FROM {TABLE}) TO STDOUT")).await?.try_collect().await?;
    check(pieces.len() == 10_000, "rows")?;
    check(c.execute(&format!("DELETE FROM {TABLE}"), &[]).await? == 10_000, "deleted")
}

async fn listen(c: &Client, told: &mut Notified, other: &Client) -> Outcome {
    c.batch_execute("LISTEN matrix").await?;
    other.batch_execute("NOTIFY matrix, 'heard'").await?;
    let heard = tokio::time::timeout(Duration::from_secs(10), told.recv()).await?;
    check(heard.as_deref() == Some("heard"), "notification")?;
    Ok(c.batch_execute("UNLISTEN *").await?)
}

async fn cancel(c: &Client) -> Outcome {
    let token = c.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(tls()).await
    });
    check(code(c.batch_execute("SELECT pg_sleep(20)").await) == "57014", "not cancelled")?;
    Ok(c.batch_execute("SELECT 1").await?)
}

async fn savepoints(c: &mut Client) -> Outcome {
    let mut outer = c.transaction().await?;
    outer.batch_execute(&format!("INSERT INTO {TABLE} VALUES (1, 'kept')")).await?;
    {
        let inner = outer.savepoint("s").await?;
        inner.batch_execute(&format!("INSERT INTO {TABLE} VALUES (2, 'lost')")).await?;
        check(code(inner.batch_execute("SELECT 1/0").await) == "22012", "no error")?;
        inner.rollback().await?;
    }
    outer.commit().await?;
    check(c.execute(&format!("DELETE FROM {TABLE}"), &[]).await? == 1, "rows")
}

async fn errors(c: &Client) -> Outcome {
    for (sql, expected) in [("SELECT 1/0", "22012"), ("SELEKT", "42601"), ("SELECT * FROM nowhere", "42P01")] {
        check(code(c.batch_execute(sql).await) == expected, sql)?;
        check(code(c.query(sql, &[]).await.map(|_| ())) == expected, sql)?;
    }
    Ok(c.batch_execute("SELECT 1").await?)
}

async fn large(c: &Client) -> Outcome {
    let text: String = c.query_one("SELECT repeat('x', $1)", &[&(LARGE as i32)]).await?.get(0);
    check(text.len() == LARGE, "read")?;
    let length: i32 = c.query_one("SELECT length($1::text)", &[&"y".repeat(LARGE)]).await?.get(0);
    check(length as usize == LARGE, "written")
}

async fn state(c: &Client) -> Outcome {
    for sql in ["CREATE TEMP TABLE of_the_session (a int)", "INSERT INTO of_the_session VALUES (1)", "DROP TABLE of_the_session"] {
        c.batch_execute(sql).await?;
    }
    Ok(())
}

async fn simple(c: &Client) -> Outcome {
    check(c.query_one("SELECT current_user::text", &[]).await?.get::<_, String>(0) == variable("PGUSER"), "user")?;
    check(c.simple_query("SELECT 1; SELECT 2").await?.len() >= 4, "results")
}

pub async fn run() -> Outcome {
    let (mut c, mut told) = connect().await?;
    let (other, _) = connect().await?;
    report("simple", simple(&c).await);
    report("prepared", prepared(&c).await);
    report("pipeline", pipeline(&c).await);
    report("copy_in", copy_in(&c).await);
    report("copy_out", copy_out(&c).await);
    report("listen", listen(&c, &mut told, &other).await);
    report("cancel", cancel(&c).await);
    report("savepoints", savepoints(&mut c).await);
    report("errors", errors(&c).await);
    report("large", large(&c).await);
    report("state", state(&c).await);
    Ok(())
}
