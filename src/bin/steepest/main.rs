//! The program `steepest`: one file per subcommand.

mod curves;
mod devices;
mod evaluate;
mod files;
mod fit;
mod inspect;
mod metrics;
mod model;
mod notes;
mod output;
mod plot;
mod predict;
mod problem;
mod report;
mod settings;
mod siblings;
mod table;
mod task;
mod text;
mod training;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use steepest::escape::escaped;

/// Training neural networks on any GPU, and proof that it computes what it says.
#[derive(Parser)]
#[command(name = "steepest", version, about, max_term_width = 110)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fit(Box<fit::Args>),
    Predict(predict::Args),
    Evaluate(evaluate::Args),
    Inspect(inspect::Args),
    Plot(plot::Args),
    /// List the devices there are, their limits and features.
    Devices(devices::Args),
    /// Check every op, kernel and gradient on a device against the f64 reference.
    Verify(verify::Args),
}

/// An error with what led to it. The library's own errors show names as they may be, and may have several lines; all others are one line.
fn in_words(error: &anyhow::Error) -> String {
    let link = |link: &(dyn std::error::Error + 'static)| match link.downcast_ref::<steepest::Error>() {
        Some(error) => error.to_string(),
        None => escaped(&link.to_string()).into_owned(),
    };
    error.chain().map(link).collect::<Vec<_>>().join(": ")
}

fn main() -> ExitCode {
    let verdict = match Program::parse().command {
        Command::Fit(args) => fit::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Plot(args) => plot::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Verify(args) => verify::run(&args),
    };
    verdict.unwrap_or_else(|error| {
        // 2: it could not be done at all; clap says the same of a wrong command line.
        output::aside_lines(format_args!("error: {}", in_words(&error)));
        if let Some(hint) = table::hint(&error) {
            aside!("hint: {hint}");
        }
        ExitCode::from(2)
    })
}
