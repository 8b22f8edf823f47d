//! What the figures are to be.

use super::row::Row;

/// A limit on a row.
struct Bound {
    /// The row's name; a `*` stands for any part between two slashes.
    name: &'static str,
    limit: Limit,
}

enum Limit {
    /// Of the ratio to the host's vDSO.
    Ratio(f64),
    /// Of our own value.
    Value(f64),
    /// What our own value must be.
    Exactly(f64),
}

/// The first that names a row holds for it.
const BOUNDS: [Bound; 18] = [
    Bound { name: "clock_gettime/realtime_coarse/hot", limit: Limit::Ratio(1.0) },
    Bound { name: "clock_gettime/monotonic_coarse/hot", limit: Limit::Ratio(1.0) },
    Bound { name: "clock_gettime/*/hot", limit: Limit::Ratio(0.92) },
    Bound { name: "gettimeofday/hot", limit: Limit::Ratio(0.94) },
    Bound { name: "time/hot", limit: Limit::Ratio(1.0) },
    Bound { name: "clock_getres/hot", limit: Limit::Ratio(1.0) },
    Bound { name: "getcpu/hot", limit: Limit::Ratio(1.0) },
    Bound { name: "clock_gettime/monotonic/cold", limit: Limit::Ratio(0.60) },
    Bound { name: "clock_gettime/*/cold", limit: Limit::Ratio(1.05) },
    Bound { name: "writer/100hz/cold_share", limit: Limit::Value(0.0001) },
    Bound { name: "writer/1khz/cold_share", limit: Limit::Value(0.001) },
    Bound { name: "writer/100hz/syscall_share", limit: Limit::Value(0.0) },
    Bound { name: "writer/1khz/syscall_share", limit: Limit::Value(0.0) },
    Bound { name: "writer/1mhz/syscall_share", limit: Limit::Value(0.0) },
    Bound { name: "writer/tight/retries_per_call", limit: Limit::Value(0.1) },
    Bound { name: "writer/frozen/ok", limit: Limit::Exactly(1.0) },
    Bound { name: "publish/stores/ns", limit: Limit::Value(12.0) },
    Bound { name: "publish/ns", limit: Limit::Value(80.0) },
];

/// Each row that is beyond its bound, in words.
pub(crate) fn violations(rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(violation).collect()
}

fn violation(row: &Row) -> Option<String> {
    if let Some(below) = below_floor(row) {
        return Some(below);
    }
    let bound = BOUNDS.iter().find(|bound| matches(bound.name, &row.name))?;
    let value = row.ours.median;
    match bound.limit {
        Limit::Ratio(limit) => {
            let ratio = row.ratio?.median;
            (ratio > limit).then(|| format!("{}: ratio {ratio:.3}, at most {limit:.2}", row.name))
        }
        Limit::Value(limit) => (value > limit).then(|| format!("{}: {value:.3e}, at most {limit:e}", row.name)),
        Limit::Exactly(wanted) => (value != wanted).then(|| format!("{}: {value}, not {wanted}", row.name)),
    }
}

/// A hot read that is faster than its counter alone reads the counter out of order. (A coarse one's floor is a call, of
/// which a processor hides most: no sign of anything.)
fn below_floor(row: &Row) -> Option<String> {
    let (floor, ours) = (row.floor?, row.ours.median);
    let counts = row.name.ends_with("/hot") && floor > COUNTER_FLOOR;
    (counts && ours < floor).then(|| format!("{}: {ours:.1} ns, below its floor of {floor:.1} ns", row.name))
}

/// In ns: no ordered counter read is faster, and no empty call slower.
const COUNTER_FLOOR: f64 = 5.0;

fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.split('/'), name.split('/'));
    loop {
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some(part), Some(found)) if part == "*" || part == found => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::row::Unit;
    use crate::bench::statistics::Spread;

    fn row(name: &str, ours: f64, ratio: f64) -> Row {
        Row { ratio: Some(Spread::exactly(ratio)), ..Row::new(name, Unit::Ns, Spread::exactly(ours)) }
    }

    #[test]
    fn patterns_match_whole_parts() {
        assert!(matches("clock_gettime/*/hot", "clock_gettime/tai/hot"));
        assert!(!matches("clock_gettime/*/hot", "clock_gettime/tai/cold"));
        assert!(!matches("clock_gettime/*", "clock_gettime/tai/cold"));
        assert!(!matches("publish/ns", "publish/plan/ns"));
    }

    #[test]
    fn a_row_beyond_its_bound_is_named() {
        assert!(violations(&[row("clock_gettime/tai/hot", 20.0, 0.92)]).is_empty());
        assert_eq!(violations(&[row("clock_gettime/tai/hot", 20.0, 0.93)]).len(), 1);
        assert_eq!(violations(&[row("clock_gettime/realtime_coarse/hot", 3.0, 0.99)]).len(), 0);
        assert_eq!(violations(&[row("writer/frozen/ok", 0.0, 1.0)]).len(), 1);
        assert_eq!(violations(&[row("publish/ns", 81.0, 1.0)]).len(), 1);
    }

    #[test]
    fn a_read_below_its_floor_is_a_bug() {
        let unordered = Row { floor: Some(18.0), ..row("clock_gettime/tai/hot", 9.0, 0.5) };
        assert!(violations(&[unordered])[0].contains("below its floor"));
    }
}
