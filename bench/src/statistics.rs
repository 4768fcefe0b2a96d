//! What many runs come to.

use std::fmt;

/// The minimum, the median and the 99th percentile of what was measured, in the unit that it was
/// measured in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) runs: usize,
    pub(crate) min: f64,
    /// Half of them are at most this.
    pub(crate) median: f64,
    /// 99 of 100 are at most this.
    pub(crate) p99: f64,
}

impl Summary {
    /// Of these measurements; of none at all, all zeros.
    pub(crate) fn of(measured: &[f64]) -> Self {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            // Nearest rank: the smallest that at least this share of all does not exceed.
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
    fn a_summary_takes_measurements_by_rank_in_whatever_order_they_came() {
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
