//! The steps of the driver matrix with tokio-postgres and with sqlx: each prints "STEP ok", or what it was told.
mod with_sqlx;
mod with_tokio_postgres;

pub const TABLE: &str = "made_for_drivers";
pub const LARGE: usize = 10_000_000;
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

pub fn report(step: &str, outcome: Outcome) {
    match outcome {
        Ok(()) => println!("{step} ok"),
        Err(error) => println!("{step}: {}", told(error.as_ref()).replace('\n', " ")),
    }
}

/// What stands in the server's error, which the drivers keep as a source.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

pub fn check(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}

pub fn variable(name: &str) -> String {
    std::env::var(name).expect(name)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("sqlx") => with_sqlx::run().await.unwrap(),
        _ => with_tokio_postgres::run().await.unwrap(),
    }
}
