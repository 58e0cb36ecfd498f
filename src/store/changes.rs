//! News that something may have changed, for those who would otherwise only look now and then.

use std::convert::Infallible;
use std::future;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use crate::store::backend::Backend;
use crate::store::{Error, Store, postgres};

/// Between a connection that was lost and the next.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// A listener that heard nothing for so long is replaced: one whose connection the network forgot would
/// never hear anything again.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

/// Tells when something about tasks, runs or champions may have changed, in this process or in another one
/// on the same PostgreSQL. It carries no data, and news can be lost: look now and then all the same.
#[derive(Debug)]
pub struct Changes {
    news: watch::Receiver<()>,
    /// Listens to the server, and ends with this.
    _listening: JoinSet<Infallible>,
}

impl Store {
    /// Listens from now on, for as long as the answer lives.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn listen(&self) -> Changes {
        let mut listening = JoinSet::new();
        let news = match &self.database {
            Backend::Sqlite(database) => {
                let mut news = database.news.subscribe();
                news.mark_changed();
                news
            }
            Backend::Postgres(database) => {
                let (told, news) = watch::channel(());
                listening.spawn(follow(postgres::options(database.url()), told));
                news
            }
        };
        Changes { news, _listening: listening }
    }
}

impl Changes {
    /// Waits until something may have changed since the last time; the first time, until that would be
    /// noticed. Many changes may be one. It never fails, and may be dropped and called again: while the
    /// database is away it waits, and speaks up when it is back.
    pub async fn next(&mut self) {
        if self.news.changed().await.is_err() {
            // The store is gone, and nobody else can change the file.
            future::pending::<()>().await;
        }
    }
}

/// Passes on what the server tells, by one connection after the other.
async fn follow(options: PgConnectOptions, told: watch::Sender<()>) -> Infallible {
    let mut was_heard = true;
    loop {
        let heard = match listener(&options).await {
            Ok(listener) => {
                was_heard = true;
                hear(listener, &told).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = heard {
            if was_heard {
                tracing::warn!(%error, "changes are not heard of until the database is back");
            }
            was_heard = false;
            time::sleep(RECONNECT_AFTER).await;
        }
    }
}

/// Passes on what the server tells until it was silent for too long. Whatever happened while nobody listened
/// is news too.
async fn hear(mut listener: PgListener, told: &watch::Sender<()>) -> Result<(), Error> {
    told.send_replace(());
    while let Ok(heard) = time::timeout(LONGEST_SILENCE, listener.try_recv()).await {
        if heard?.is_none() {
            return Err(Error::Unavailable("connection was lost".into()));
        }
        told.send_replace(());
    }
    Ok(())
}

/// A connection of its own that listens.
async fn listener(options: &PgConnectOptions) -> Result<PgListener, Error> {
    let listen = async {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(postgres::PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // Lost, it is replaced from outside: its own attempts do not rest.
        listener.eager_reconnect(false);
        listener.listen(postgres::CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    match time::timeout(postgres::PATIENCE, listen).await {
        Ok(listener) => Ok(listener?),
        Err(elapsed) => Err(Error::Unavailable(elapsed.into())),
    }
}
