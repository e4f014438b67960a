//! `declic schema`: the JSON Schemas of the files below `rules/`, for editors.

use std::path::PathBuf;

use super::Failure;
use crate::domain::rules::schema::Schema;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind of file; without it, all of them, which needs --out
    #[arg(required_unless_present = "out")]
    kind: Option<Kind>,
    /// Writes the schema to DIR as KIND.json instead of printing it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// A rule: rules/NAME.yaml
    Rule,
    /// What a rule is meant to do: rules/NAME.test.yaml
    Test,
    /// What all rules share: rules/policy.yaml
    Policy,
    /// The events that the shop sends: rules/events.yaml
    Events,
}

impl Kind {
    fn schema(self) -> Schema {
        match self {
            Self::Rule => Schema::Rule,
            Self::Test => Schema::Test,
            Self::Policy => Schema::Policy,
            Self::Events => Schema::Events,
        }
    }
}

pub fn schema(args: &Args) -> Result<(), Failure> {
    let asked = args.kind.map_or(Schema::ALL.to_vec(), |kind| vec![kind.schema()]);
    let Some(folder) = &args.out else {
        asked.into_iter().for_each(|schema| print!("{}", schema.text()));
        return Ok(());
    };
    for schema in asked {
        let path = folder.join(format!("{}.json", schema.name()));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, schema.text()))
            .map_err(|e| Failure::Environment(format!("cannot write {}: {e}", path.display())))?;
        println!("{}", path.display());
    }
    Ok(())
}
