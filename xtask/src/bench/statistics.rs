//! Order statistics of measured values.

/// Tenth percentile, median and ninetieth percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) p10: f64,
    pub(crate) median: f64,
    pub(crate) p90: f64,
}

impl Spread {
    /// Of some values; `None` of none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        Some(Spread { p10: quantile(&values, 0.1)?, median: quantile(&values, 0.5)?, p90: quantile(&values, 0.9)? })
    }

    /// Of one value.
    pub(crate) const fn exactly(value: f64) -> Spread {
        Spread { p10: value, median: value, p90: value }
    }
}

/// The smallest value that at least the share `q` of the sorted `values` does not exceed.
pub(crate) fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let rank = (q * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(5.0));
        assert_eq!(quantile(&values, 0.9), Some(9.0));
        assert_eq!(quantile(&values, 1.0), Some(10.0));
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_order_of_the_values_does_not_matter() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(spread, Some(Spread { p10: 1.0, median: 2.0, p90: 3.0 }));
    }
}
