//! Measures how many observations a second a database takes: batches of every network of NAS-Bench-201 up to
//! 12,500, each at both budgets, under a new seed each time.
//!
//!     cargo run --release --example insert_rate -- --data-dir /tmp/rate
//!     cargo run --release --example insert_rate -- --database postgres://...

use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use tagates::domain::{
    Budget, Measurement, Observation, ObservationKey, RetrainingPolicy, Sequence, Source, Task,
};
use tagates::store::{Config, Store};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    store: Config,
    /// Observations in one call.
    #[arg(long, default_value_t = 12_500)]
    batch: usize,
    /// Times all of them are sent.
    #[arg(long, default_value_t = 4)]
    rounds: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let store = Store::connect(&arguments.store).await?;
    store.migrate(arguments.store.migrate).await?;
    let task = Task::nasbench201_cifar10();
    store.task_insert(&task, &RetrainingPolicy::default(), None).await?;
    println!("{store}, batches of {}", arguments.batch);
    let before = store.task_by_name(&task.name).await?.context("the task")?.last_sequence;
    for round in 0..arguments.rounds {
        let sent = observations(&task, before.0 + round)?;
        insert("new", &store, &task, &sent, arguments.batch).await?;
        insert("again", &store, &task, &sent, arguments.batch).await?;
    }
    read(&store, &task).await
}

fn observations(task: &Task, seed: i64) -> anyhow::Result<Vec<Observation>> {
    let networks = task.space.sample(12_500, 0);
    let mut observations = Vec::new();
    for (network, budget) in networks.iter().flat_map(|network| [(network, 12), (network, 200)]) {
        let key = ObservationKey {
            task: task.name.clone(),
            architecture: network.clone(),
            budget: Budget(budget),
            seed,
            source: Source::default(),
        };
        let value = 90.0 + (observations.len() % 1_000) as f64 / 300.0;
        observations.push(Observation::new(task, key, Measurement::Value(value), None)?);
    }
    Ok(observations)
}

async fn insert(
    what: &str,
    store: &Store,
    task: &Task,
    sent: &[Observation],
    batch: usize,
) -> anyhow::Result<()> {
    let start = Instant::now();
    for batch in sent.chunks(batch) {
        store.observations_insert(&task.name, batch).await?;
    }
    report(what, sent.len(), start);
    Ok(())
}

async fn read(store: &Store, task: &Task) -> anyhow::Result<()> {
    let up_to = store.task_by_name(&task.name).await?.context("the task")?.last_sequence;
    let start = Instant::now();
    let (mut after, mut n_read) = (Sequence(0), 0);
    loop {
        let page = store.snapshot_page(&task.name, up_to, after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = last.sequence;
        n_read += page.len();
    }
    report("read", n_read, start);
    Ok(())
}

fn report(what: &str, n_rows: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}\t{n_rows} rows\t{seconds:.2} s\t{:.0} rows/s", n_rows as f64 / seconds);
}
