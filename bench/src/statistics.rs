//! Statistics of many runs.

use std::fmt;

/// The minimum, the median and the 99th percentile of measured values, in their unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) runs: usize,
    pub(crate) min: f64,
    /// At least half of the values are at most this.
    pub(crate) median: f64,
    /// At least 99 of 100 values are at most this.
    pub(crate) p99: f64,
}

impl Summary {
    /// Summarizes these values; without any, everything is zero.
    pub(crate) fn of(measured: &[f64]) -> Self {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            // Nearest rank: the smallest value that is not exceeded by at least this share of the
            // values.
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Self {
            runs: sorted.len(),
            min: at(0.0),
            median: at(0.5),
            p99: at(0.99),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} / {:.2} / {:.2}", self.min, self.median, self.p99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_ranks_unsorted_measurements() {
        let measured = (1..=200).rev().map(f64::from).collect::<Vec<_>>();
        assert_eq!(
            Summary::of(&measured),
            Summary {
                runs: 200,
                min: 1.0,
                median: 100.0,
                p99: 198.0
            }
        );
        assert_eq!(
            Summary::of(&[3.0]),
            Summary {
                runs: 1,
                min: 3.0,
                median: 3.0,
                p99: 3.0
            }
        );
    }
}
