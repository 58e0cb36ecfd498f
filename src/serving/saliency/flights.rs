//! Which architectures wait to be measured, and who waits for each. Pure: time is a parameter, nothing blocks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Instant;

use lru::LruCache;
use tokio::sync::oneshot;

use crate::serving::saliency::key::Key;
use crate::serving::waiting::Backlog;
use crate::space::{Architecture, Saliencies};
use crate::zero_cost::{self, Measurer};

/// What became of an architecture.
pub(in crate::serving) type Outcome = Result<Arc<Saliencies>, Arc<zero_cost::Error>>;

/// An architecture that somebody wants measured.
#[derive(Clone, Debug)]
pub(in crate::serving) struct Wanted {
    pub key: Key,
    pub architecture: Architecture,
    pub measurer: Arc<Measurer>,
}

/// How an architecture is answered.
#[derive(Debug)]
pub(in crate::serving) enum Joined {
    /// It is known.
    Known(Arc<Saliencies>),
    /// It is being measured, or will be; closed without an answer when that stops.
    Later(oneshot::Receiver<Outcome>),
}

/// The queue had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serving) struct Full;

/// What is known, what waits, and what is being measured.
#[derive(Debug)]
pub(in crate::serving) struct Flights {
    known: LruCache<Key, Arc<Saliencies>>,
    /// Not begun, oldest first. Each has a flight.
    waiting: VecDeque<Key>,
    /// Waiting or begun.
    under_way: HashMap<Key, Flight>,
    capacity: usize,
}

#[derive(Debug)]
struct Flight {
    wanted: Wanted,
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    reply: oneshot::Sender<Outcome>,
    deadline: Option<Instant>,
}

impl Waiter {
    fn is_there(&self, now: Instant) -> bool {
        !self.reply.is_closed() && self.deadline.is_none_or(|deadline| now < deadline)
    }
}

impl Flights {
    /// Nothing waits. So many architectures may; of `n_known` what was measured is remembered.
    pub fn new(capacity: usize, n_known: NonZero<usize>) -> Self {
        // It grows as it fills: whoever allows for millions need not have room for them at once.
        let mut known = LruCache::unbounded();
        known.resize(n_known);
        Self { known, waiting: VecDeque::new(), under_way: HashMap::new(), capacity }
    }

    /// What is known of an architecture.
    pub fn known(&mut self, key: &Key) -> Option<Arc<Saliencies>> {
        self.known.get(key).cloned()
    }

    /// Remembers what was found elsewhere.
    pub fn remember(&mut self, key: Key, saliencies: Arc<Saliencies>) {
        self.known.put(key, saliencies);
    }

    /// Architectures that wait.
    pub fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Answers what is known, joins what is under way and queues the rest of a call, all or none. An empty queue
    /// takes a call of any size, so that none is refused for ever.
    pub fn join(
        &mut self,
        wanted: Vec<Wanted>,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Vec<Joined>, Full> {
        let known: Vec<_> = wanted.iter().map(|it| self.known(&it.key)).collect();
        let new: HashSet<Key> = (wanted.iter().zip(&known))
            .filter(|(it, known)| known.is_none() && !self.under_way.contains_key(&it.key))
            .map(|(it, _)| it.key)
            .collect();
        if !self.has_room(new.len()) {
            self.forget_unwanted(now);
            if !self.has_room(new.len()) {
                return Err(Full);
            }
        }
        let join = |(wanted, known): (Wanted, Option<Arc<Saliencies>>)| match known {
            Some(known) => Joined::Known(known),
            None => Joined::Later(self.wait_for(wanted, deadline)),
        };
        Ok(wanted.into_iter().zip(known).map(join).collect())
    }

    fn wait_for(&mut self, wanted: Wanted, deadline: Option<Instant>) -> oneshot::Receiver<Outcome> {
        let (reply, receiver) = oneshot::channel();
        let key = wanted.key;
        let waiting = &mut self.waiting;
        let flight = self.under_way.entry(key).or_insert_with(|| {
            waiting.push_back(key);
            Flight { wanted, waiters: Vec::new() }
        });
        flight.waiters.push(Waiter { reply, deadline });
        receiver
    }

    /// Tells everybody what became of an architecture that was begun, and remembers it.
    pub fn done(&mut self, key: Key, outcome: &Outcome) {
        if let Ok(saliencies) = outcome {
            self.remember(key, saliencies.clone());
        }
        for waiter in self.under_way.remove(&key).into_iter().flat_map(|flight| flight.waiters) {
            // Who has gone needs no answer.
            let _ = waiter.reply.send(outcome.clone());
        }
    }

    fn has_room(&self, n_new: usize) -> bool {
        n_new == 0 || self.waiting.is_empty() || self.waiting.len() + n_new <= self.capacity
    }

    fn forget_unwanted(&mut self, now: Instant) {
        let under_way = &mut self.under_way;
        self.waiting.retain(|key| {
            let is_wanted =
                under_way.get(key).is_some_and(|it| it.waiters.iter().any(|waiter| waiter.is_there(now)));
            if !is_wanted {
                under_way.remove(key);
            }
            is_wanted
        });
    }
}

impl Backlog for Flights {
    type Work = Wanted;

    /// The oldest that somebody still waits for, which is begun now. What nobody waits for any more is dropped.
    fn next(&mut self, now: Instant) -> Option<Wanted> {
        while let Some(key) = self.waiting.pop_front() {
            let flight = self.under_way.get(&key).expect("whatever waits has a flight");
            if flight.waiters.iter().any(|waiter| waiter.is_there(now)) {
                return Some(flight.wanted.clone());
            }
            self.under_way.remove(&key);
        }
        None
    }

    /// Drops whatever waits or is begun, unanswered.
    fn clear(&mut self) {
        self.waiting.clear();
        self.under_way.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::space::nasbench201;
    use crate::zero_cost::Proxy;

    const TEN: NonZero<usize> = NonZero::new(10).expect("not zero");

    /// Different architectures, as they are wanted.
    fn wanted(n: usize) -> Vec<Wanted> {
        let proxy = Proxy::named("small").expect("built in");
        let measurer = Arc::new(Measurer::new("small", proxy, 0).expect("noise"));
        let wanted = |architecture: Architecture| Wanted {
            key: Key::new(measurer.origin(), &architecture),
            architecture,
            measurer: measurer.clone(),
        };
        nasbench201().sample(n, 0).into_iter().map(wanted).collect()
    }

    fn measured(value: f64) -> Arc<Saliencies> {
        Arc::new(Saliencies::new(1, vec![value; 6]).expect("finite"))
    }

    fn later(joined: Joined) -> oneshot::Receiver<Outcome> {
        match joined {
            Joined::Later(receiver) => receiver,
            Joined::Known(known) => panic!("known: {known:?}"),
        }
    }

    fn join(flights: &mut Flights, wanted: &[Wanted], now: Instant) -> Vec<oneshot::Receiver<Outcome>> {
        let joined = flights.join(wanted.to_vec(), None, now).expect("room");
        joined.into_iter().map(later).collect()
    }

    fn value(receiver: &mut oneshot::Receiver<Outcome>) -> f64 {
        receiver.try_recv().expect("an answer").expect("measured").operation(0)[0]
    }

    #[test]
    fn what_several_want_at_once_is_measured_once_and_then_known() {
        let (now, all) = (Instant::now(), wanted(2));
        let mut flights = Flights::new(10, TEN);
        let mut replies = join(&mut flights, &[all[0].clone(), all[0].clone(), all[1].clone()], now);
        replies.extend(join(&mut flights, &all[..1], now));
        assert_eq!(flights.next(now).map(|it| it.key), Some(all[0].key));
        // Also while it is being measured.
        replies.extend(join(&mut flights, &all[..1], now));
        assert_eq!(flights.next(now).map(|it| it.key), Some(all[1].key));
        assert!(flights.next(now).is_none());
        flights.done(all[1].key, &Ok(measured(2.0)));
        flights.done(all[0].key, &Ok(measured(1.0)));
        assert_eq!(replies.iter_mut().map(value).collect::<Vec<_>>(), [1.0, 1.0, 2.0, 1.0, 1.0]);

        let joined = flights.join(all, None, now).expect("room");
        assert!(joined.iter().all(|it| matches!(it, Joined::Known(_))), "{joined:?}");
        assert!(flights.next(now).is_none());
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let (now, all) = (Instant::now(), wanted(12));
        let mut flights = Flights::new(100, TEN);
        for wanted in &all {
            flights.remember(wanted.key, measured(1.0));
            assert!(flights.known(&all[0].key).is_some());
        }
        let n_known = all.iter().filter(|it| flights.known(&it.key).is_some()).count();
        assert_eq!((n_known, flights.known(&all[1].key)), (10, None));
        assert!(flights.next(now).is_none());
    }

    #[test]
    fn what_failed_is_told_to_all_who_wait_and_tried_again() {
        let (now, all) = (Instant::now(), wanted(1));
        let mut flights = Flights::new(10, TEN);
        let mut replies = join(&mut flights, &[all[0].clone(), all[0].clone()], now);
        flights.next(now).expect("it waits");
        let error = zero_cost::Error::NoNetwork { space: "mine".to_owned() };
        flights.done(all[0].key, &Err(Arc::new(error)));
        for reply in &mut replies {
            assert!(reply.try_recv().expect("an answer").is_err());
        }
        join(&mut flights, &all, now);
        assert!(flights.next(now).is_none(), "its reply was dropped");
        let _reply = join(&mut flights, &all, now);
        assert!(flights.next(now).is_some());
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_never_measured() {
        let (now, all) = (Instant::now(), wanted(3));
        let mut flights = Flights::new(10, TEN);
        drop(join(&mut flights, &all[..1], now));
        let deadline = now + Duration::from_secs(1);
        let _late = flights.join(all[1..2].to_vec(), Some(deadline), now).expect("room");
        let _reply = join(&mut flights, &all[2..], now);
        assert_eq!(flights.next(deadline).map(|it| it.key), Some(all[2].key));
        assert!(flights.next(deadline).is_none());
    }

    #[test]
    fn a_full_queue_refuses_a_call_as_a_whole_but_not_what_is_known_or_under_way() {
        let (now, all) = (Instant::now(), wanted(6));
        let mut flights = Flights::new(4, TEN);
        let _replies = join(&mut flights, &all[..3], now);
        assert!(matches!(flights.join(all[3..5].to_vec(), None, now), Err(Full)));
        assert_eq!(flights.n_waiting(), 3);
        let _more = join(&mut flights, &all[..4], now);
        assert_eq!(flights.n_waiting(), 4);
        let key = flights.next(now).expect("it waits").key;
        flights.done(key, &Ok(measured(1.0)));
        assert!(matches!(flights.join(all[..1].to_vec(), None, now).expect("known")[..], [Joined::Known(_)]));
    }

    #[test]
    fn a_full_queue_first_forgets_what_nobody_waits_for_and_an_empty_one_takes_any_call() {
        let (now, all) = (Instant::now(), wanted(6));
        let mut flights = Flights::new(2, TEN);
        drop(join(&mut flights, &all[..5], now));
        let _replies = join(&mut flights, &all[4..], now);
        assert_eq!(flights.n_waiting(), 2);
    }
}
