//! How long after a promotion two servers on one PostgreSQL answer with the new champion: told by the database,
//! and where it tells nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sqlx::postgres::PgListener;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time;

use crate::Figure;
use crate::databases::postgres;
use crate::learning::latencies::{Latencies, load_average, millis};
use crate::learning::rows::Row;
use crate::learning::two_versions::TwoVersions;
use crate::learning::watched_task::WatchedTask;
use crate::processes::{Server, Tagates};
use crate::service::{TASK, cells, connect};

const DATABASE: &str = "postgres";
/// Where servers listen for changes.
const CHANNEL: &str = "tagates_changes";
/// How often servers look by themselves.
const POLLING_INTERVAL: Duration = Duration::from_secs(5);
const MAX_MEDIAN: Duration = Duration::from_secs(1);
/// Longer than news of what was just done takes.
const SILENCE: Duration = Duration::from_millis(200);

/// Has the database tell nobody: found before the function of that name that does it.
const CUT: &str = "
    CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS '';
    ALTER DATABASE postgres SET search_path = public, pg_catalog";

/// Two servers, and who listens beside them.
struct Observed {
    servers: [Server; 2],
    tasks: [WatchedTask; 2],
    listener: PgListener,
    cell: Row,
    rng: ChaCha8Rng,
}

pub async fn promote(tagates: &Tagates, n_told: usize, n_untold: usize) -> anyhow::Result<Figure> {
    ensure!(n_told > 0 && n_untold > 0, "nothing to measure");
    let postgres = postgres();
    let url = postgres.url(DATABASE);
    let mut observed = Observed::start(tagates, &url).await?;
    let versions = TwoVersions::bring(tagates, &observed.servers[0])?;
    observed.n_heard().await?;
    let (told, n_told_heard) = observed.measure(&versions, 0..n_told, Duration::ZERO).await?;
    observed.stop()?;

    // Connections made from now on find the other function.
    let mut admin = PgConnection::connect(&url).await?;
    admin.execute(CUT).await?;
    admin.close().await?;
    let mut observed = Observed::start(tagates, &url).await?;
    let numbers = n_told..n_told + n_untold;
    let (untold, n_untold_heard) = observed.measure(&versions, numbers, POLLING_INTERVAL).await?;
    // That it could have heard something.
    sqlx::raw_sql("NOTIFY tagates_changes").execute(&mut PgConnection::connect(&url).await?).await?;
    let n_proof = observed.n_heard().await?;
    observed.stop()?;

    let median = told.quantile(0.5);
    let mut figure = Figure {
        text: format!(
            "{} promotions, until both of two servers answer: median {}, p90 {}, at most {}; {} with NOTIFY cut off: \
             median {:.2} s, at most {:.2} s (load average {})",
            told.n(),
            millis(median),
            millis(told.quantile(0.9)),
            millis(told.max()),
            untold.n(),
            untold.quantile(0.5).as_secs_f64(),
            untold.max().as_secs_f64(),
            load_average()?,
        ),
        ..Figure::default()
    };
    figure.expect(median < MAX_MEDIAN, "the median is below 1 s");
    figure.expect(untold.max() < POLLING_INTERVAL, "untold, servers know within their polling interval");
    figure.expect(n_told_heard >= n_told, &format!("{n_told} promotions are heard of, not {n_told_heard}"));
    figure.expect(
        n_untold_heard == 0 && n_proof == 1,
        &format!("cut off, nothing is heard ({n_untold_heard}), though a listener is there ({n_proof})"),
    );
    Ok(figure)
}

impl Observed {
    async fn start(tagates: &Tagates, url: &str) -> anyhow::Result<Self> {
        let flags = ["--database".to_owned(), url.to_owned()];
        let servers = [tagates.serve(&flags)?, tagates.serve(&flags)?];
        let [one, other] = &servers;
        let tasks = [connect(&one.url()).await?, connect(&other.url()).await?];
        let tasks = tasks.map(|channel| WatchedTask::new(channel, TASK));
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        let cell = Row { cell: cells().into_iter().next().context("a cell")?, value: 0.0 };
        Ok(Self { servers, tasks, listener, cell, rng: ChaCha8Rng::seed_from_u64(0) })
    }

    fn stop(self) -> anyhow::Result<()> {
        let [one, other] = self.servers;
        one.stop()?;
        other.stop()
    }

    /// From the reply to each promotion, asked of either server by turns, until both answer with the version; and
    /// how much was heard. Before each it waits up to `wait`, so that it falls anywhere between two looks.
    async fn measure(
        &mut self,
        versions: &TwoVersions,
        numbers: std::ops::Range<usize>,
        wait: Duration,
    ) -> anyhow::Result<(Latencies, usize)> {
        let (mut latencies, mut n_heard) = (Vec::with_capacity(numbers.len()), 0);
        for number in numbers {
            time::sleep(wait.mul_f64(self.rng.random_range(0.0..1.0))).await;
            let (from, to) = versions.turn(number);
            let [one, other] = &self.tasks;
            self.tasks[number / 2 % 2].promote(to, from).await?;
            let promoted = Instant::now();
            let both = time::timeout(2 * POLLING_INTERVAL, async {
                tokio::try_join!(
                    one.until_answered_by(to, &self.cell),
                    other.until_answered_by(to, &self.cell)
                )
            });
            both.await.context("a server does not notice the promotion")??;
            latencies.push(promoted.elapsed());
            n_heard += self.n_heard().await?;
        }
        Ok((Latencies::new(latencies)?, n_heard))
    }

    /// What was told until there is silence.
    async fn n_heard(&mut self) -> anyhow::Result<usize> {
        let mut n_heard = 0;
        while let Ok(heard) = time::timeout(SILENCE, self.listener.try_recv()).await {
            heard?.context("the listener lost its connection")?;
            n_heard += 1;
        }
        Ok(n_heard)
    }
}
