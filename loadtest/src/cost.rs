//! What a thousand pictures cost, from what was measured and AWS's list prices.

use serde::{Deserialize, Serialize};

use crate::ledger::Totals;

/// USD a PUT request to S3 Standard (list price of us-west-2: 0.005 a thousand).
const PUT_USD: f64 = 0.005 / 1000.0;
/// USD a GET or HEAD request (0.0004 a thousand).
const GET_USD: f64 = 0.0004 / 1000.0;
/// USD a GB-month of S3 Standard.
const GB_MONTH_USD: f64 = 0.023;
/// A worker looks whether the object is there before it makes one.
const HEADS_PER_PICTURE: f64 = 1.0;

/// USD a thousand pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CostPerThousand {
    /// Puts, heads and the CDN's gets.
    pub s3_requests_usd: f64,
    /// A month in S3 Standard, optimized.
    pub storage_month_usd: f64,
    /// The same had the originals been stored.
    pub storage_month_unoptimized_usd: f64,
    /// The model, by what the documents say.
    pub model_usd: f64,
}

impl CostPerThousand {
    /// From the totals of a run and its CDN's misses; none without a picture.
    pub(crate) fn of(totals: &Totals, cdn_misses: u64) -> Option<Self> {
        if totals.pictures == 0 {
            return None;
        }
        let thousands = totals.pictures as f64 / 1000.0;
        let gets = cdn_misses as f64 + HEADS_PER_PICTURE * totals.pictures as f64;
        let month = |bytes: u64| bytes as f64 / 1e9 * GB_MONTH_USD / thousands;
        Some(Self {
            s3_requests_usd: (totals.puts as f64 * PUT_USD + gets * GET_USD) / thousands,
            storage_month_usd: month(totals.stored_bytes),
            storage_month_unoptimized_usd: month(totals.original_bytes),
            model_usd: totals.model_usd / thousands,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_pictures_by_list_price() {
        let totals = Totals {
            pictures: 500,
            puts: 500,
            original_bytes: 1_000_000_000,
            stored_bytes: 100_000_000,
            model_usd: 20.0,
            ..Totals::default()
        };
        let cost = CostPerThousand::of(&totals, 500).unwrap();
        let close =
            |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} is not {other}");
        close(cost.s3_requests_usd, 0.005 + 2.0 * 0.0004);
        close(cost.storage_month_usd, 0.0046);
        close(cost.storage_month_unoptimized_usd, 0.046);
        close(cost.model_usd, 40.0);
        assert_eq!(CostPerThousand::of(&Totals::default(), 0), None);
    }
}
