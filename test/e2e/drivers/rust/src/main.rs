//! What a small Rust service does with tokio-postgres: connect, ask, prepare, a transaction, an error, a cancel.
use std::time::Duration;
use tokio_postgres::NoTls;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut client, connection) = tokio_postgres::connect(&std::env::var("DATABASE_URL")?, NoTls).await?;
    tokio::spawn(connection);
    let user: String = client.query_one("SELECT current_user::text", &[]).await?.get(0);
    let twice = client.prepare("SELECT $1::int * 2").await?;
    let mut sum = 0;
    for i in 1..=10i32 {
        sum += client.query_one(&twice, &[&i]).await?.get::<_, i32>(0);
    }
    let transaction = client.transaction().await?;
    transaction
        .batch_execute("CREATE TEMP TABLE t (a int) ON COMMIT DROP; INSERT INTO t VALUES (1), (2), (3)")
        .await?;
    let count: i64 = transaction.query_one("SELECT count(*) FROM t", &[]).await?.get(0);
    transaction.commit().await?;
    let state = match client.batch_execute("SELECT 1/0").await {
        Ok(()) => "none".to_string(),
        Err(error) => error.code().map(|c| c.code().to_string()).unwrap_or_default(),
    };
    let token = client.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await
    });
    let cancelled = client.batch_execute("SELECT pg_sleep(20)").await.is_err();
    println!("ok {user} {sum} {count} {state} {cancelled}");
    Ok(())
}
