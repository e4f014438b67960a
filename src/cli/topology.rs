//! `declic topology`: what RabbitMQ has, what the configuration asks for, and making it so.

use std::path::Path;

use clap::ValueEnum;

use super::table;
use super::{Failure, environment};
use crate::broker::{AmqpConfig, AmqpError, plan};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Declares, binds, unbinds and deletes as planned; prints what is left. Run it again when queues are empty
    #[arg(long)]
    apply: bool,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns
    Table,
    /// One JSON array
    Json,
}

pub async fn topology(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let Some(amqp) = config.section::<AmqpConfig>("amqp").map_err(|e| Failure::Refused(e.to_string()))?
    else {
        return Err(Failure::Refused("no broker is configured: there is no section [amqp]".to_owned()));
    };
    let items = if args.apply { plan::apply(&amqp).await } else { plan::plan(&amqp).await };
    let items = items.map_err(|error| match error {
        AmqpError::InvalidConfig(words) => Failure::Refused(words),
        other => environment::failed(other),
    })?;
    let format = match args.format {
        Format::Table => table::Format::Table,
        Format::Json => table::Format::Json,
    };
    let columns = ["kind", "name", "state", "waiting", "action", "detail"];
    table::print(&items, &columns, format).map_err(environment::failed)
}
