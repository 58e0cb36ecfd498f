//! Figures of the closed loop: observations in, better champions out.

mod accounts;
mod closed_loop;
mod kill_trainer;
mod latencies;
mod plot;
mod predict_latency;
mod promotion_latency;
mod rows;
mod shuffled_labels;
mod swap_soak;
mod two_versions;
mod watched_task;

use std::path::PathBuf;

use clap::Subcommand;

use crate::Figure;
use crate::processes::Tagates;

#[derive(Subcommand)]
pub enum Command {
    /// Rows of a table observed in steps, a champion after each.
    ClosedLoop(closed_loop::Arguments),
    /// Labels that are noise, observed in steps.
    ShuffledLabels {
        /// CSV with columns `arch`, `c10_test_200`, `split`.
        table: PathBuf,
        /// Rows observed after each step.
        #[arg(long, value_delimiter = ',', default_values_t = [195, 390, 781])]
        steps: Vec<usize>,
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Two versions promoted by turns under load.
    SwapSoak {
        #[arg(long, default_value_t = 200)]
        swaps: usize,
    },
    /// Two versions promoted by turns, seen by two servers.
    PromotionLatency {
        #[arg(long, default_value_t = 50)]
        promotions: usize,
        /// Those of which the database tells nothing.
        #[arg(long, default_value_t = 8)]
        untold: usize,
    },
    /// Predictions while a run is active and while none is.
    PredictLatency(predict_latency::Arguments),
    /// A trainer killed while runs are under way.
    KillTrainer {
        /// CSV with columns `arch`, `c10_test_200`, `split`.
        table: PathBuf,
        #[arg(long, default_value_t = 20)]
        kills: usize,
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
}

pub async fn measure(tagates: &Tagates, command: Command) -> anyhow::Result<Figure> {
    match command {
        Command::ClosedLoop(arguments) => closed_loop::observe_in_steps(tagates, &arguments).await,
        Command::ShuffledLabels { table, steps, seed } => {
            shuffled_labels::observe_noise(tagates, &table, &steps, seed).await
        }
        Command::SwapSoak { swaps } => swap_soak::swap(tagates, swaps).await,
        Command::PromotionLatency { promotions, untold } => {
            promotion_latency::promote(tagates, promotions, untold).await
        }
        Command::PredictLatency(arguments) => predict_latency::predict(tagates, &arguments).await,
        Command::KillTrainer { table, kills, seed } => kill_trainer::kill(tagates, &table, kills, seed).await,
    }
}
