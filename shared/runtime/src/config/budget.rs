//! How much money calls to models may cost a day.

use atelier_domain::budget::{Budgets, MicroUsd};

use super::environment::{Environment, Setting};

/// The budgets; API and workers must agree on them.
#[derive(Clone, Copy, Debug, Default)]
pub struct BudgetConfig {
    /// What may be charged a day.
    pub budgets: Budgets,
}

const BUDGET_USD_PER_DAY: Setting = Setting {
    name: "BUDGET_USD_PER_DAY",
    default: Some("0"),
    help: "US dollars that all calls to models may cost a day (UTC), 0 to 1000000; 0 = no limit.",
};
const BUDGET_USD_PER_TEACHER_PER_DAY: Setting = Setting {
    name: "BUDGET_USD_PER_TEACHER_PER_DAY",
    default: Some("0"),
    help: "US dollars that the calls to models for one teacher's assignments may cost a day (UTC), 0 to 1000000; 0 = no limit.",
};

impl BudgetConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[BUDGET_USD_PER_DAY, BUDGET_USD_PER_TEACHER_PER_DAY];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let fleet = environment.number(&BUDGET_USD_PER_DAY, 0.0..=1_000_000.0);
        let teacher = environment.number(&BUDGET_USD_PER_TEACHER_PER_DAY, 0.0..=1_000_000.0);
        Self {
            budgets: Budgets {
                fleet: limit(fleet),
                teacher: limit(teacher),
            },
        }
    }
}

fn limit(usd: f64) -> Option<MicroUsd> {
    // Less than a millionth is a limit, too: nothing fits it.
    (usd > 0.0).then(|| MicroUsd::from_usd(usd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<Budgets, Vec<String>> {
        let mut environment = Environment::of(options.iter().copied());
        let config = BudgetConfig::read(&mut environment);
        let read = environment.finish(config).map(|config| config.budgets);
        read.map_err(|faults| faults.0)
    }

    #[test]
    fn there_is_no_budget_unless_one_is_set() {
        assert_eq!(read(&[]), Ok(Budgets::default()));
        let set = read(&[
            ("BUDGET_USD_PER_DAY", "12.5"),
            ("BUDGET_USD_PER_TEACHER_PER_DAY", "0"),
        ]);
        let expected = Budgets {
            fleet: Some(MicroUsd::new(12_500_000)),
            teacher: None,
        };
        assert_eq!(set, Ok(expected));
    }

    #[test]
    fn what_is_no_amount_is_a_fault_that_names_option_and_limit() {
        for bad in ["-1", "NaN", "inf", "1000001", "ten"] {
            let faults = read(&[
                ("BUDGET_USD_PER_DAY", bad),
                ("BUDGET_USD_PER_TEACHER_PER_DAY", bad),
            ])
            .unwrap_err();
            assert_eq!(faults.len(), 2, "{bad}: {faults:?}");
            assert!(faults[0].starts_with("BUDGET_USD_PER_DAY must be a number from 0 to 1000000"));
        }
    }
}
