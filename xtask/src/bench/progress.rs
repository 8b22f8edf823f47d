//! A line on standard error that shows how far the benchmark is.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// From one update to the next.
const EVERY: Duration = Duration::from_millis(500);

/// On a terminal one line that changes; else a line for each measurement.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    started: Instant,
    shown: Option<Instant>,
    title: String,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress { terminal, started: Instant::now(), shown: None, title: String::new() }
    }

    /// `done` of `all` of the measurement `title`. Cheap enough for every round.
    pub(crate) fn show(&mut self, title: &str, done: usize, all: usize) {
        let new = self.title != title;
        if !new && (!self.terminal || self.shown.is_some_and(|shown| shown.elapsed() < EVERY)) {
            return;
        }
        self.shown = Some(Instant::now());
        self.title.replace_range(.., title);
        let seconds = self.started.elapsed().as_secs();
        let mut stderr = std::io::stderr();
        // Nobody is to lose a result because nobody watches.
        let _ = if self.terminal {
            write!(stderr, "\r\x1b[Kbench: {seconds:>3} s  {title}  {} %", 100 * done / all.max(1))
        } else {
            writeln!(stderr, "bench: {seconds:>3} s  {title}")
        };
    }

    /// Ends the line.
    pub(crate) fn finish(self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
        eprintln!("bench: done in {} s", self.started.elapsed().as_secs());
    }
}
