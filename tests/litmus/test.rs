//! A litmus test as the checker reads it (herd7's format: a name, what memory and registers hold at the start, a column a
//! thread, and the outcome in question).

use super::thread::Symbol;
use super::writing::Written;
use std::fmt::Write;
use vdso_tests::machine::Machine;

/// A litmus test.
pub(crate) struct Litmus {
    pub(crate) name: String,
    /// What the outcome would mean, and what the test is made from.
    pub(crate) comment: String,
    /// Memory at the start.
    pub(crate) memory: Vec<(Symbol, Vec<i64>)>,
    pub(crate) threads: Vec<Written>,
    /// The outcome that must not be.
    pub(crate) outcome: String,
}

impl Litmus {
    /// The test without comments: what a verdict is about.
    pub(crate) fn body(&self) -> String {
        let mut text = String::from("{\n");
        for (symbol, words) in &self.memory {
            let list: Vec<String> = words.iter().map(i64::to_string).collect();
            match list.as_slice() {
                [one] => writeln!(text, "  {}={one};", symbol.name),
                _ => writeln!(text, "  uint32_t {}[{}]={{{}}};", symbol.name, list.len(), list.join(",")),
            }
            .expect("a string");
        }
        for (number, thread) in self.threads.iter().enumerate() {
            let list: Vec<String> =
                thread.registers.iter().map(|(name, value)| format!("{number}:{name}={value};")).collect();
            writeln!(text, "  {}", list.join(" ")).expect("a string");
        }
        text.push_str("}\n");
        let widths: Vec<usize> =
            self.threads.iter().map(|it| it.lines.iter().map(String::len).max().unwrap_or(0)).collect();
        let rows = self.threads.iter().map(|it| it.lines.len()).max().unwrap_or(0);
        let mut row = |cell: &dyn Fn(usize) -> String| {
            let cells: Vec<String> =
                widths.iter().enumerate().map(|(at, width)| format!(" {:width$} ", cell(at))).collect();
            writeln!(text, "{};", cells.join("|")).expect("a string");
        };
        row(&|thread| format!("P{thread}"));
        for line in 0..rows {
            row(&|thread| self.threads[thread].lines.get(line).cloned().unwrap_or_default());
        }
        writeln!(text, "exists ({})", self.outcome).expect("a string");
        text
    }

    /// The file.
    pub(crate) fn text(&self, machine: &dyn Machine) -> String {
        let mut text = format!("{} {}\n", machine.checker_name(), self.name);
        text.push_str("(*\n");
        for line in self.comment.lines() {
            writeln!(text, " * {line}").expect("a string");
        }
        for (number, thread) in self.threads.iter().enumerate().filter(|(_, it)| !it.origins.is_empty()) {
            writeln!(text, " *\n * P{number}, from the image:").expect("a string");
            for origin in &thread.origins {
                writeln!(text, " *   {origin}").expect("a string");
            }
        }
        text.push_str(" *)\n");
        text + &self.body()
    }
}
