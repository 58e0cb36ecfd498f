//! Who is next: a bounded queue with a lane for each task, cut into batches of one model version.
//!
//! Pure: time is a parameter, nothing blocks.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use crate::domain::TaskName;
use crate::serving::job::Job;
use crate::serving::waiting::Backlog;

/// The jobs that wait. Its size is counted in architectures, since they are what costs time.
#[derive(Debug)]
pub(in crate::serving) struct Schedule {
    /// Tasks with waiting jobs, the one whose turn it is first.
    lanes: VecDeque<Lane>,
    n_queued: usize,
    capacity: usize,
    max_batch: usize,
}

/// The queue had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serving) struct Full;

impl Schedule {
    /// An empty queue for `capacity` architectures, cut into batches of `max_batch`.
    pub fn new(capacity: usize, max_batch: usize) -> Self {
        Self { lanes: VecDeque::new(), n_queued: 0, capacity, max_batch }
    }

    /// Architectures that wait.
    pub fn n_queued(&self) -> usize {
        self.n_queued
    }

    /// Queues the jobs of one call, all or none. An empty queue takes a call of any size, so that
    /// none is refused for ever.
    pub fn push(&mut self, jobs: Vec<Job>, now: Instant) -> Result<(), Full> {
        let n_new: usize = jobs.iter().map(|job| job.candidates.len()).sum();
        if !self.has_room(n_new) {
            self.forget_unwanted(now);
            if !self.has_room(n_new) {
                return Err(Full);
            }
        }
        self.n_queued += n_new;
        for job in jobs {
            self.lane(&job.target.task.name).push_back(job);
        }
        Ok(())
    }

    fn has_room(&self, n_new: usize) -> bool {
        self.n_queued == 0 || self.n_queued + n_new <= self.capacity
    }

    fn forget_unwanted(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            lane.jobs = mem::take(&mut lane.jobs).into_iter().filter_map(|job| job.if_wanted(now)).collect();
        }
        self.lanes.retain(|lane| !lane.jobs.is_empty());
        self.n_queued = self.lanes.iter().flat_map(|lane| &lane.jobs).map(|job| job.candidates.len()).sum();
    }

    fn lane(&mut self, task: &TaskName) -> &mut VecDeque<Job> {
        let index = self.lanes.iter().position(|lane| lane.task == *task).unwrap_or_else(|| {
            self.lanes.push_back(Lane { task: task.clone(), jobs: VecDeque::new() });
            self.lanes.len() - 1
        });
        &mut self.lanes[index].jobs
    }
}

impl Backlog for Schedule {
    type Work = Vec<Job>;

    /// Takes the next batch: jobs of one version of the task whose turn it is, oldest first, as many
    /// as fit. What nobody waits for any more is dropped. `None` when nothing waits.
    fn next(&mut self, now: Instant) -> Option<Vec<Job>> {
        while let Some(mut lane) = self.lanes.pop_front() {
            let (batch, n_removed) = lane.cut(self.max_batch, now);
            self.n_queued -= n_removed;
            if !lane.jobs.is_empty() {
                self.lanes.push_back(lane);
            }
            if !batch.is_empty() {
                return Some(batch);
            }
        }
        None
    }

    /// Drops every job, unanswered.
    fn clear(&mut self) {
        self.lanes.clear();
        self.n_queued = 0;
    }
}

/// The jobs of one task, oldest first.
#[derive(Debug)]
struct Lane {
    task: TaskName,
    jobs: VecDeque<Job>,
}

impl Lane {
    /// The next batch, and how many candidates have left the lane, dropped ones included.
    fn cut(&mut self, max_batch: usize, now: Instant) -> (Vec<Job>, usize) {
        let mut batch: Vec<Job> = Vec::new();
        let mut passed_over = Vec::new();
        let (mut n_batch, mut n_removed) = (0, 0);
        while let Some(job) = self.jobs.pop_front() {
            let n_candidates = job.candidates.len();
            let Some(job) = job.if_wanted(now) else {
                n_removed += n_candidates;
                continue;
            };
            if batch.first().is_some_and(|first| first.target.version.id != job.target.version.id) {
                passed_over.push(job);
            } else if batch.is_empty() || n_batch + n_candidates <= max_batch {
                n_batch += n_candidates;
                n_removed += n_candidates;
                batch.push(job);
            } else {
                // Whoever is larger than what is left of this batch is first in the next one.
                passed_over.push(job);
                break;
            }
        }
        for job in passed_over.into_iter().rev() {
            self.jobs.push_front(job);
        }
        (batch, n_removed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::serving::Error;
    use crate::serving::job::Reply;

    /// Queues jobs of (task, version, candidates), each a call of its own.
    fn schedule(capacity: usize, jobs: &[(&str, &str, usize)], now: Instant) -> (Schedule, Vec<Reply>) {
        let mut schedule = Schedule::new(capacity, 4);
        let push = |&(task, version, n): &(&str, &str, usize)| {
            let (job, reply) = Job::sample(task, version, n);
            schedule.push(vec![job], now).expect("room for the job");
            reply
        };
        let replies = jobs.iter().map(push).collect();
        (schedule, replies)
    }

    /// All batches, as (task, version, candidates of each job).
    fn batches(schedule: &mut Schedule, now: Instant) -> Vec<(String, String, Vec<usize>)> {
        let mut all = Vec::new();
        while let Some(batch) = schedule.next(now) {
            let target = &batch[0].target;
            let sizes = batch.iter().map(|job| job.candidates.len()).collect();
            all.push((target.task.name.to_string(), target.version.id.to_string(), sizes));
        }
        assert_eq!(schedule.n_queued(), 0);
        all
    }

    fn expected(batches: &[(&str, &str, &[usize])]) -> Vec<(String, String, Vec<usize>)> {
        let owned =
            |&(task, version, sizes): &(&str, &str, &[usize])| (task.into(), version.into(), sizes.to_vec());
        batches.iter().map(owned).collect()
    }

    #[test]
    fn calls_share_a_batch_as_far_as_they_fit_in_the_order_they_came() {
        let now = Instant::now();
        let (mut schedule, _replies) =
            schedule(99, &[("a", "1", 2), ("a", "1", 1), ("a", "1", 3), ("a", "1", 1)], now);
        assert_eq!(batches(&mut schedule, now), expected(&[("a", "1", &[2, 1]), ("a", "1", &[3, 1])]));
    }

    #[test]
    fn tasks_take_turns_however_much_one_of_them_has_queued() {
        let now = Instant::now();
        let jobs = [("a", "1", 4), ("a", "1", 4), ("a", "1", 4), ("b", "1", 4), ("c", "1", 1)];
        let (mut schedule, _replies) = schedule(99, &jobs, now);
        let turns: Vec<_> = batches(&mut schedule, now).into_iter().map(|batch| batch.0).collect();
        assert_eq!(turns, ["a", "b", "c", "a", "a"]);
    }

    #[test]
    fn a_batch_never_mixes_versions() {
        let now = Instant::now();
        let (mut schedule, _replies) =
            schedule(99, &[("a", "1", 1), ("a", "2", 1), ("a", "1", 1), ("a", "2", 1)], now);
        assert_eq!(batches(&mut schedule, now), expected(&[("a", "1", &[1, 1]), ("a", "2", &[1, 1])]));
    }

    #[test]
    fn a_call_that_has_expired_is_told_so_and_never_computed() {
        let now = Instant::now();
        let (mut schedule, _replies) = schedule(99, &[("a", "1", 1)], now);
        let (late, mut reply) = Job::sample("a", "1", 2);
        schedule.push(vec![Job { deadline: Some(now), ..late }], now).expect("room for the job");
        assert_eq!(batches(&mut schedule, now), expected(&[("a", "1", &[1])]));
        assert!(matches!(reply.try_recv(), Ok(Err(Error::DeadlineExceeded))));
    }

    #[test]
    fn a_call_that_nobody_waits_for_is_never_computed() {
        let now = Instant::now();
        let (mut schedule, mut replies) = schedule(99, &[("a", "1", 1), ("a", "1", 2)], now);
        drop(replies.remove(0));
        assert_eq!(batches(&mut schedule, now), expected(&[("a", "1", &[2])]));
    }

    #[test]
    fn a_full_queue_refuses_a_call_as_a_whole() {
        let now = Instant::now();
        let (mut schedule, _replies) = schedule(5, &[("a", "1", 4)], now);
        let (first, _reply) = Job::sample("a", "1", 1);
        let (second, _other_reply) = Job::sample("a", "1", 1);
        assert_eq!(schedule.push(vec![first, second], now), Err(Full));
        assert_eq!(schedule.n_queued(), 4);
    }

    #[test]
    fn a_full_queue_first_forgets_what_has_expired() {
        let now = Instant::now();
        let (late, _reply) = Job::sample("a", "1", 4);
        let mut schedule = Schedule::new(5, 4);
        let deadline = now + Duration::from_secs(1);
        schedule.push(vec![Job { deadline: Some(deadline), ..late }], now).expect("room for the job");
        let (next, _next_reply) = Job::sample("b", "1", 2);
        schedule.push(vec![next], deadline).expect("the expired job left");
        assert_eq!(batches(&mut schedule, deadline), expected(&[("b", "1", &[2])]));
    }

    #[test]
    fn an_empty_queue_takes_a_call_of_any_size() {
        let now = Instant::now();
        let (mut schedule, _replies) = schedule(2, &[("a", "1", 4)], now);
        assert_eq!(batches(&mut schedule, now), expected(&[("a", "1", &[4])]));
    }
}
