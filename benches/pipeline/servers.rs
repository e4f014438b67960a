//! The private servers that everything is measured on.

use crate::support::postgres::Postgres;
use crate::support::rabbit::Rabbit;
use crate::support::smtp::SmtpSink;

pub struct Servers {
    pub postgres: Postgres,
    pub rabbit: Rabbit,
    pub sink: SmtpSink,
}

impl Servers {
    /// PostgreSQL with durable commits, RabbitMQ, and Postfix's `smtp-sink`.
    pub fn start() -> Self {
        let postgres = Postgres::durable();
        postgres.psql("postgres", "CREATE EXTENSION pg_stat_statements");
        Self { postgres, rabbit: Rabbit::start(), sink: SmtpSink::start() }
    }

    /// Statements that a database has run so far.
    pub fn statements(&self, database: &str) -> f64 {
        self.number(&format!(
            "SELECT COALESCE(SUM(calls), 0) FROM pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = '{database}')"
        ))
    }

    /// Transactions that a database has committed so far.
    pub fn commits(&self, database: &str) -> f64 {
        self.number(&format!("SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'"))
    }

    /// The statements on which a database spent the most time.
    pub fn dearest(&self, database: &str) -> String {
        let sql = format!(
            "SELECT round(total_exec_time) || ' ms, ' || calls || ' calls, ' || rows || ' rows: '
                 || left(regexp_replace(query, '\\s+', ' ', 'g'), 100)
             FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = '{database}')
             ORDER BY total_exec_time DESC LIMIT 12"
        );
        self.postgres.psql("postgres", &sql)
    }

    fn number(&self, sql: &str) -> f64 {
        self.postgres.psql("postgres", sql).trim().parse().expect("a number")
    }
}
