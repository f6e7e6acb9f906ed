//! The replayed workers: they boot, serve, drain, are lost, and cost money.

/// A job's number.
pub(crate) type JobId = usize;

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Launched, and paid for, but not serving yet.
    Booting,
    /// Takes jobs.
    Serving,
    /// Finishes what it can within the grace, takes nothing.
    Draining,
    /// No more.
    Gone,
}

/// One worker.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// Where it is in its life.
    pub life: Life,
    /// What it works on.
    pub jobs: Vec<JobId>,
    spot: bool,
    launched: f64,
}

/// What instances cost and how they are bought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Market {
    /// Workers of the least number that are never spot.
    pub on_demand_base: u32,
    /// Share of the others that are spot, 0 to 1.
    pub spot_share: f64,
    /// USD an hour on demand.
    pub on_demand_usd: f64,
    /// USD an hour of spot.
    pub spot_usd: f64,
}

/// All workers of a replay.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// By number, those gone too.
    pub workers: Vec<Worker>,
    slots: usize,
    market: Market,
    /// Those that are not gone.
    alive: Vec<usize>,
    busy: usize,
    on_demand_hours: f64,
    spot_hours: f64,
}

impl Fleet {
    /// No worker yet.
    pub(crate) fn new(slots: u32, market: Market) -> Self {
        Self {
            workers: Vec::new(),
            slots: slots as usize,
            market,
            alive: Vec::new(),
            busy: 0,
            on_demand_hours: 0.0,
            spot_hours: 0.0,
        }
    }

    /// Launches one; returns its number and whether it is spot.
    pub(crate) fn launch(&mut self, now: f64) -> (usize, bool) {
        let spot = self.next_is_spot();
        self.workers.push(Worker {
            life: Life::Booting,
            jobs: Vec::new(),
            spot,
            launched: now,
        });
        let number = self.workers.len() - 1;
        self.alive.push(number);
        (number, spot)
    }

    /// Workers that count for the number asked for: booting or serving.
    pub(crate) fn capacity(&self) -> u32 {
        self.count(|worker| matches!(worker.life, Life::Booting | Life::Serving))
    }

    /// Workers that serve.
    pub(crate) fn serving(&self) -> u32 {
        self.count(|worker| worker.life == Life::Serving)
    }

    /// Jobs that are worked on.
    pub(crate) fn busy(&self) -> usize {
        self.busy
    }

    /// The serving worker with the most free slots, if any has one.
    pub(crate) fn freest(&self) -> Option<usize> {
        let serving = self
            .alive
            .iter()
            .copied()
            .filter(|number| self.workers[*number].life == Life::Serving);
        let freest = serving.min_by_key(|number| self.workers[*number].jobs.len())?;
        (self.workers[freest].jobs.len() < self.slots).then_some(freest)
    }

    /// Whom scale-in takes: one that boots, else spot before on demand (which keeps the base), else
    /// the least busy.
    pub(crate) fn most_dispensable(&self) -> Option<usize> {
        let candidates = self
            .alive
            .iter()
            .copied()
            .filter(|n| matches!(self.workers[*n].life, Life::Booting | Life::Serving));
        candidates.min_by_key(|number| {
            let worker = &self.workers[*number];
            (
                worker.life == Life::Serving,
                !worker.spot,
                worker.jobs.len(),
            )
        })
    }

    /// A worker takes a job.
    pub(crate) fn take(&mut self, number: usize, job: JobId) {
        self.workers[number].jobs.push(job);
        self.busy += 1;
    }

    /// A worker ends a job.
    pub(crate) fn end(&mut self, number: usize, job: JobId) {
        let jobs = &mut self.workers[number].jobs;
        if let Some(index) = jobs.iter().position(|each| *each == job) {
            jobs.swap_remove(index);
            self.busy -= 1;
        }
    }

    /// A worker is gone; returns what it still worked on.
    pub(crate) fn remove(&mut self, number: usize, now: f64) -> Vec<JobId> {
        let worker = &mut self.workers[number];
        let jobs = std::mem::take(&mut worker.jobs);
        worker.life = Life::Gone;
        let hours = (now - worker.launched) / 3600.0;
        if worker.spot {
            self.spot_hours += hours;
        } else {
            self.on_demand_hours += hours;
        }
        self.busy -= jobs.len();
        self.alive.retain(|each| *each != number);
        jobs
    }

    /// Everybody goes home; returns instance hours and what they cost in USD.
    pub(crate) fn close(&mut self, now: f64) -> (f64, f64) {
        for number in self.alive.clone() {
            self.remove(number, now);
        }
        let cost = self.on_demand_hours * self.market.on_demand_usd
            + self.spot_hours * self.market.spot_usd;
        (self.on_demand_hours + self.spot_hours, cost)
    }

    /// As a mixed instances policy has it: the base on demand, of the others the share.
    fn next_is_spot(&self) -> bool {
        let on_demand =
            f64::from(self.count(|worker| !worker.spot && worker.life != Life::Draining));
        let above_base = f64::from(self.capacity() + 1) - f64::from(self.market.on_demand_base);
        let wanted = f64::from(self.market.on_demand_base)
            + (above_base.max(0.0) * (1.0 - self.market.spot_share)).floor();
        on_demand >= wanted
    }

    fn count(&self, which: impl Fn(&Worker) -> bool) -> u32 {
        self.alive
            .iter()
            .filter(|number| which(&self.workers[**number]))
            .count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Fleet {
        Fleet::new(
            2,
            Market {
                on_demand_base: 1,
                spot_share: 0.5,
                on_demand_usd: 1.0,
                spot_usd: 0.25,
            },
        )
    }

    #[test]
    fn the_base_is_on_demand_and_of_the_others_the_share_is_spot() {
        let mut fleet = fleet();
        let spot: Vec<_> = (0..5).map(|_| fleet.launch(0.0).1).collect();
        assert_eq!(spot, [false, true, false, true, false]);
    }

    #[test]
    fn hours_count_from_launch_to_the_end() {
        let mut fleet = fleet();
        fleet.launch(0.0);
        fleet.launch(1800.0);
        assert_eq!(fleet.close(3600.0), (1.5, 1.0 + 0.5 * 0.25));
    }

    #[test]
    fn jobs_go_to_the_freest_until_all_slots_are_taken() {
        let mut fleet = fleet();
        for _ in 0..2 {
            let (number, _) = fleet.launch(0.0);
            fleet.workers[number].life = Life::Serving;
        }
        for job in 0..4 {
            let worker = fleet.freest().unwrap();
            fleet.take(worker, job);
        }
        assert_eq!((fleet.freest(), fleet.busy()), (None, 4));
        assert_eq!(fleet.remove(0, 1.0).len(), 2);
        assert_eq!(fleet.busy(), 2);
    }
}
