//! Waiting in steady state by formula: what the replay is checked against, and how many slots a
//! load takes at least.

/// The chance that a job has to wait with `servers` and so much offered load (arrival rate times
/// service time): Erlang's C. 1 where the load is too much for them.
pub(crate) fn erlang_c(servers: u32, offered: f64) -> f64 {
    let c = f64::from(servers);
    if offered >= c {
        return 1.0;
    }
    // Erlang's B by its recursion, then C from B (Cooper, Introduction to Queueing Theory).
    let blocked = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    blocked / (1.0 - offered / c * (1.0 - blocked))
}

/// Mean wait with exponential service (M/M/c), in the unit of `service`; infinite where the load
/// is too much.
pub(crate) fn mmc_wait(servers: u32, arrivals: f64, service: f64) -> f64 {
    let c = f64::from(servers);
    let offered = arrivals * service;
    if offered >= c {
        return f64::INFINITY;
    }
    erlang_c(servers, offered) * service / (c - offered)
}

/// Mean wait with constant service (M/D/c), by Cosmetatos' approximation, exact for one server
/// (G. P. Cosmetatos, Operational Research Quarterly 26, 1975).
pub(crate) fn mdc_wait(servers: u32, arrivals: f64, service: f64) -> f64 {
    let c = f64::from(servers);
    let used = arrivals * service / c;
    if used >= 1.0 {
        return f64::INFINITY;
    }
    let correction = (1.0 - used) * (c - 1.0) * ((4.0 + 5.0 * c).sqrt() - 2.0) / (16.0 * used * c);
    0.5 * (1.0 + correction) * mmc_wait(servers, arrivals, service)
}

/// The least number of workers of `slots` with which `wait` says no more than `acceptable`.
pub(crate) fn least_workers(slots: u32, acceptable: f64, wait: impl Fn(u32) -> f64) -> u32 {
    (1..)
        .find(|workers| wait(workers * slots) <= acceptable)
        .unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) {
        assert!(
            (one - other).abs() < 1e-3 * other.abs().max(1.0),
            "{one} is not {other}"
        );
    }

    #[test]
    fn erlang_c_is_that_of_the_tables() {
        close(erlang_c(1, 0.5), 0.5);
        close(erlang_c(2, 1.0), 1.0 / 3.0);
        close(erlang_c(10, 8.0), 0.4092);
        assert_eq!(erlang_c(2, 2.0), 1.0);
    }

    #[test]
    fn one_server_is_pollaczek_and_khinchine() {
        // M/M/1: rho / (mu - lambda); M/D/1: half of it.
        close(mmc_wait(1, 0.8, 1.0), 4.0);
        close(mdc_wait(1, 0.8, 1.0), 2.0);
    }

    #[test]
    fn too_much_load_waits_for_ever() {
        assert_eq!(mmc_wait(2, 3.0, 1.0), f64::INFINITY);
        assert_eq!(mdc_wait(2, 2.0, 1.0), f64::INFINITY);
    }

    #[test]
    fn the_least_workers_are_the_first_that_suffice() {
        let workers = least_workers(8, 60.0, |slots| mmc_wait(slots, 1.2, 10.0));
        assert_eq!(workers, 2);
    }
}
