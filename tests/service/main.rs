//! What the service promises, tried by speaking gRPC to it and by running the binary.

mod app;
mod checkpoints;
mod command_line;
mod commands;
#[path = "../database/mod.rs"]
#[expect(dead_code, reason = "the suite of the store needs more of it")]
mod database;
mod databases;
mod every_space;
mod import;
mod limits;
mod models;
mod observations;
mod predict;
mod protocol;
mod recorder;
mod refusals;
mod saliencies;
mod search_spaces;
mod shutdown;
mod tasks;
mod training;
mod training_runs;
