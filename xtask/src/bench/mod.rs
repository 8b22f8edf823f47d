//! `cargo xtask bench`: our image, its page and a live publisher, in one process with the host's vDSO.
//!
//! | module | what |
//! |---|---|
//! | [`setup`], [`mapped`], [`calls`] | image and page in this process; the functions of ours, of the host's, the system calls |
//! | [`calibration`], [`publisher`], [`cpu`] | the TSC and the clocks; the thread that publishes; pinning, counters, caches |
//! | [`subject`], [`hot`], [`cold`] | calls back to back, dependent on each other, and with nothing in the caches |
//! | [`contention`], [`frozen`], [`publish`] | a writer that is fast, slow or stopped; what a publish costs |
//! | [`readers`], [`programs`] | several threads; whole programs |
//! | [`row`], [`statistics`], [`bounds`], [`plot`], [`output`], [`machine`], [`progress`] | the result |
//!
//! Candidates are measured in turn, round by round, on one CPU, and compared pair by pair, so that what the machine does
//! meanwhile meets both.

mod bounds;
mod calibration;
mod calls;
mod cold;
mod contention;
mod cpu;
mod frozen;
mod hot;
mod machine;
mod mapped;
mod optimised;
mod output;
mod plot;
mod programs;
mod progress;
mod publish;
mod publisher;
mod readers;
mod row;
mod setup;
mod statistics;
mod subject;

use anyhow::{bail, Context, Result};
use output::Output;
use progress::Progress;
use publisher::{Feed, Pace, Running};
use row::Row;
use setup::Setup;
use std::path::PathBuf;
use std::time::Duration;
use vdso_image::x86_64::IMAGE;

/// Measures our image against the running kernel's vDSO, the system call, and the floor below which no ordered clock read
/// can be. Takes about a minute; quieter machines give steadier figures.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Fewer rounds: a quarter of a minute.
    #[arg(long)]
    quick: bool,
    /// Write the rows as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the ratios, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Fail if a figure is beyond the bound that the project has set itself.
    #[arg(long)]
    check: bool,
    /// Measure the image in this file instead of the one of this tree.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Only the measurements whose names begin so: hot, cold, writer, frozen, publish, readers, programs.
    #[arg(long, value_name = "PART")]
    only: Option<String>,
}

/// How long to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    Full,
    Quick,
}

impl Effort {
    /// Of so many rounds.
    fn rounds(self, full: usize) -> usize {
        match self {
            Effort::Full => full,
            Effort::Quick => (full / 5).max(1),
        }
    }

    /// Of so much time.
    fn time(self, full: Duration) -> Duration {
        match self {
            Effort::Full => full,
            Effort::Quick => full / 4,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if optimised::run_instead()? {
        return Ok(());
    }
    let image = match &options.image {
        Some(path) => std::fs::read(path).with_context(|| format!("cannot read image {}", path.display()))?,
        None => IMAGE.as_bytes().to_vec(),
    };
    let json = Output::begin(options.json.as_deref())?;
    let plot = Output::begin(options.plot.as_deref())?;
    let (setup, feed) = Setup::new(&image)?;
    let machine = machine::description(setup.calibration.frequency());
    let rows = measure(options, &setup, feed)?;
    println!("{machine}\n\n{}", row::table(&rows));
    if let Some(json) = json {
        json.write(&(row::to_json(&rows)? + "\n"))?;
    }
    if let Some(plot) = plot {
        plot.write(&plot::to_svg(&rows, &machine)?)?;
    }
    judge(&rows, options.check)
}

fn measure(options: &Options, setup: &Setup, mut feed: Feed) -> Result<Vec<Row>> {
    let effort = if options.quick { Effort::Quick } else { Effort::Full };
    let wanted = |part: &str| options.only.as_ref().is_none_or(|only| part.starts_with(only.as_str()));
    let mut progress = Progress::new();
    let mut rows = vec![];
    // As on the host: the publisher ticks while calls are measured.
    let ticking = Running::start(feed, setup.other_cpu, Pace::Every(Duration::from_nanos(setup.tick.into())))?;
    if wanted("hot") {
        rows.extend(hot::rows(setup, effort, &mut progress));
    }
    if wanted("cold") {
        rows.extend(cold::rows(setup, effort, &mut progress));
    }
    if wanted("readers") {
        rows.extend(readers::rows(setup, effort, &mut progress)?);
    }
    feed = ticking.stop()?;
    type Part = fn(&Setup, Feed, Effort, &mut Progress) -> Result<(Vec<Row>, Feed)>;
    let parts: [(&str, Part); 3] = [("writer", contention::rows), ("frozen", frozen::rows), ("publish", publish::rows)];
    for (name, part) in parts {
        if wanted(name) {
            let (found, back) = part(setup, feed, effort, &mut progress)?;
            rows.extend(found);
            feed = back;
        }
    }
    if wanted("programs") {
        rows.extend(programs::rows(effort, &mut progress)?);
    }
    progress.finish();
    Ok(rows)
}

/// Says what is beyond its bound.
fn judge(rows: &[Row], check: bool) -> Result<()> {
    let violations = bounds::violations(rows);
    if violations.is_empty() {
        println!("every figure is within its bound");
    } else if check {
        bail!("beyond their bounds:\n  {}", violations.join("\n  "));
    } else {
        println!("beyond their bounds:\n  {}", violations.join("\n  "));
    }
    Ok(())
}
