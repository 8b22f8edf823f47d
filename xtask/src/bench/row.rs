//! One line of the result.

use super::statistics::Spread;
use serde::Serialize;

/// A measured quantity, beside what it is compared with.
///
/// The first six fields of the JSON are the same for every row. Where a row is no time (`unit` says so) its value stands in
/// `ours_ns` and `host_ns` all the same.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    pub(crate) host: Option<Spread>,
    pub(crate) floor: Option<f64>,
    pub(crate) syscall: Option<f64>,
    /// Ours to the host's, pair by pair.
    pub(crate) ratio: Option<Spread>,
}

/// What a row counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Nanoseconds.
    Ns,
    /// A share of all calls.
    Share,
    /// A mean per call.
    Mean,
    /// A number of things.
    Count,
    /// 1: as it should be; 0: not.
    Ok,
}

/// How a row looks in the JSON file.
#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    ours_ns: f64,
    host_ns: Option<f64>,
    floor_ns: Option<f64>,
    syscall_ns: Option<f64>,
    ratio: Option<f64>,
    unit: Unit,
    ours_p10: f64,
    ours_p90: f64,
    host_p10: Option<f64>,
    host_p90: Option<f64>,
    ratio_p10: Option<f64>,
    ratio_p90: Option<f64>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, ours: Spread) -> Row {
        Row { name: name.into(), unit, ours, host: None, floor: None, syscall: None, ratio: None }
    }

    fn json(&self) -> Json<'_> {
        Json {
            name: &self.name,
            ours_ns: self.ours.median,
            host_ns: self.host.map(|host| host.median),
            floor_ns: self.floor,
            syscall_ns: self.syscall,
            ratio: self.ratio.map(|ratio| ratio.median),
            unit: self.unit,
            ours_p10: self.ours.p10,
            ours_p90: self.ours.p90,
            host_p10: self.host.map(|host| host.p10),
            host_p90: self.host.map(|host| host.p90),
            ratio_p10: self.ratio.map(|ratio| ratio.p10),
            ratio_p90: self.ratio.map(|ratio| ratio.p90),
        }
    }
}

/// The list of all rows as JSON.
pub(crate) fn to_json(rows: &[Row]) -> serde_json::Result<String> {
    let rows: Vec<Json<'_>> = rows.iter().map(Row::json).collect();
    serde_json::to_string_pretty(&rows)
}

const HEADINGS: [&str; 8] = ["", "ours", "p10", "p90", "host", "floor", "system call", "ours/host (p10 to p90)"];

/// The table for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let lines: Vec<[String; 8]> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].len());
        cells.chain([HEADINGS[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = line_of(&HEADINGS.map(String::from), &widths);
    for line in &lines {
        text += &line_of(line, &widths);
    }
    text
}

fn line_of(cells: &[String; 8], widths: &[usize; 8]) -> String {
    let mut line = format!("{:<width$}", cells[0], width = widths[0]);
    for (cell, width) in cells.iter().zip(widths).skip(1) {
        line += &format!("  {cell:>width$}");
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

fn cells(row: &Row) -> [String; 8] {
    let value = |value: f64| match row.unit {
        Unit::Ns => format!("{value:.1} ns"),
        Unit::Share | Unit::Mean => format!("{value:.2e}"),
        Unit::Count => format!("{value}"),
        Unit::Ok if value == 1.0 => "yes".into(),
        Unit::Ok => "NO".into(),
    };
    let perhaps = |number: Option<f64>| number.map(value).unwrap_or_default();
    let single = row.ours.p10 == row.ours.p90;
    let spread = |end: f64| if single { String::new() } else { value(end) };
    let ratio = row.ratio.map(|ratio| format!("{:.3} ({:.3} to {:.3})", ratio.median, ratio.p10, ratio.p90));
    [
        row.name.clone(),
        value(row.ours.median),
        spread(row.ours.p10),
        spread(row.ours.p90),
        perhaps(row.host.map(|host| host.median)),
        perhaps(row.floor),
        perhaps(row.syscall),
        ratio.unwrap_or_default(),
    ]
}
