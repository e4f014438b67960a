//! Declic beside the bare parts it stands on, in one run: a real broker, durable commits, a real SMTP dialogue.
//!
//! ```sh
//! cargo bench --bench pipeline                           # everything, with up to 5,000,000 customers: takes long
//! cargo bench --bench pipeline -- intake welcome         # some of it
//! cargo bench --bench pipeline -- --scale 0.1            # a tenth of the customers and events
//! ```
//!
//! Prints a table and writes JSON and a plot into `target/pipeline/`. What the figures mean: docs/performance.md.

#[path = "../../tests/support/mod.rs"]
mod support;

mod bare;
mod events;
mod report;
mod rows;
mod scenarios;
mod servers;
mod shop;
mod usage;

use report::Figure;
use scenarios::Size;
use servers::Servers;

/// What can be asked for, in the order in which it is measured.
const ALL: &[&str] = &[
    "start",
    "simulate",
    "intake",
    "welcome",
    "latency",
    "timers",
    "sqlite",
    "schedule",
    "anniversary",
    "growth",
    "rules",
];

const USAGE: &str = "cargo bench --bench pipeline -- [--scale N] [--repetitions N] [NAME…]";

#[tokio::main]
async fn main() {
    let mut size = Size { repetitions: 3, scale: 1.0 };
    let mut wanted: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number =
            || arguments.next().and_then(|n| n.parse::<f64>().ok()).unwrap_or_else(|| fail(&argument));
        match argument.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--scale" => size.scale = number(),
            "--repetitions" => size.repetitions = (number() as usize).max(1),
            name if ALL.contains(&name) => wanted.push(name.to_owned()),
            other => fail(other),
        }
    }
    let servers = Servers::start();
    let mut figures = Vec::new();
    for name in ALL.iter().filter(|name| wanted.is_empty() || wanted.iter().any(|w| w == *name)) {
        eprintln!("measuring: {name}");
        let found = measure(&servers, size, name).await;
        eprint!("{}", report::table(&found));
        figures.extend(found);
    }
    let machine = format!(
        "{} × {}, {} MB of memory",
        std::thread::available_parallelism().map_or(0, usize::from),
        usage::processor(),
        usage::machine_memory_mb()
    );
    println!("{machine}\n\n{}", report::table(&figures));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pipeline");
    std::fs::create_dir_all(&folder).expect("a folder below target/");
    for (name, text) in
        [("figures.json", report::json(&figures, &machine)), ("ratios.svg", report::plot(&figures))]
    {
        std::fs::write(folder.join(name), text).expect("written");
    }
    println!("figures.json and ratios.svg are in {}", folder.display());
}

async fn measure(servers: &Servers, size: Size, name: &str) -> Vec<Figure> {
    match name {
        "start" => vec![scenarios::start(servers, size)],
        "simulate" => vec![scenarios::simulate(servers, size)],
        "intake" => vec![scenarios::intake(servers, size).await],
        "welcome" => scenarios::welcomes(servers, size).await.into(),
        "latency" => {
            let mut all = scenarios::latency(servers, size, 200).await;
            all.extend(scenarios::latency(servers, size, 1_000).await);
            all
        }
        "timers" => vec![scenarios::timers(servers, size).await],
        "sqlite" => scenarios::embedded(servers, size),
        "schedule" => scenarios::schedule(servers, size).await.into(),
        "anniversary" => vec![scenarios::anniversary(servers, size)],
        "growth" => scenarios::growth(servers, size).await,
        "rules" => scenarios::rules(servers, size).await,
        _ => Vec::new(),
    }
}

fn fail(argument: &str) -> ! {
    eprintln!("`{argument}` is not understood.\n{USAGE}\nNAME: {}", ALL.join(", "));
    std::process::exit(2)
}
