//! `tagates predict`

mod offline;
mod record;
mod remote;

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::Outcome;
use crate::cli::lines::{self, Line};
use crate::cli::output::Output;
use crate::domain::{Prediction, ScoreKind, Unit};

use self::offline::Offline;
use self::record::Record;
use self::remote::Remote;

/// Which architectures, and who scores them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Architectures in the search space's notation.
    #[arg(value_name = "ARCH", required_unless_present = "input", conflicts_with = "input")]
    architectures: Vec<String>,
    /// File with an architecture a line; - is standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Server to ask, as <http://127.0.0.1:50051>; without one the model runs in this process.
    #[arg(long, value_name = "URL", conflicts_with = "checkpoint")]
    server: Option<String>,
    /// Task to ask the server about, where it serves several.
    #[arg(long, requires = "server")]
    task: Option<String>,
    /// Checkpoint to score with instead of the shipped one.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Print the score of every time step, not of the final one only.
    #[arg(long)]
    anytime: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// How predictions are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Score, or the scores of the steps, and architecture, separated by tabs.
    Text,
    /// A JSON object a line.
    Json,
}

/// The scores of some lines, all by one model version.
struct Scores {
    model_version: String,
    score_kind: ScoreKind,
    /// Where the scores have one.
    unit: Option<Unit>,
    /// One for each line, in order: its prediction or what is wrong with it.
    predictions: Vec<Result<Prediction, String>>,
}

enum Scorer {
    Offline(Box<Offline>),
    Remote(Remote),
}

impl Scorer {
    fn new(args: &Args) -> anyhow::Result<Self> {
        Ok(match &args.server {
            Some(url) => Self::Remote(Remote::connect(url, args.task.clone(), args.anytime)?),
            None => Self::Offline(Box::new(Offline::load(args.checkpoint.as_deref(), args.anytime)?)),
        })
    }

    /// How many lines are best scored at once.
    fn n_lines(&self) -> usize {
        match self {
            Self::Offline(offline) => offline.n_lines(),
            Self::Remote(_) => remote::N_LINES,
        }
    }

    fn score(&mut self, lines: &[Line]) -> anyhow::Result<Scores> {
        match self {
            Self::Offline(offline) => offline.score(lines),
            Self::Remote(remote) => remote.score(lines),
        }
    }
}

/// Scores and prints, in order. An architecture that cannot be scored is reported by the number of its
/// line; the others are printed all the same.
///
/// # Errors
/// When the model cannot be had or fails, or the input cannot be read.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut scorer = Scorer::new(args)?;
    let (mut lines, place) = match &args.input {
        Some(input) => (Box::new(lines::read(input)?) as Box<dyn Iterator<Item = _>>, "line"),
        None => {
            let given = args.architectures.iter().zip(1..);
            (Box::new(given.map(|(text, number)| Ok(Line { number, text: text.clone() }))) as Box<_>, "argument")
        }
    };
    let mut out = Output::stdout();
    let mut outcome = Outcome::Complete;
    loop {
        let lines: Vec<Line> = lines.by_ref().take(scorer.n_lines()).collect::<anyhow::Result<_>>()?;
        if lines.is_empty() {
            return Ok(outcome);
        }
        let scores = scorer.score(&lines)?;
        for (line, prediction) in lines.iter().zip(&scores.predictions) {
            let record = Record::new(&line.text, prediction, &scores, args.anytime);
            match (args.format, prediction) {
                (Format::Json, _) => out.line(serde_json::to_string(&record)?)?,
                (Format::Text, Ok(_)) => out.line(record)?,
                (Format::Text, Err(_)) => {}
            }
            if let Err(error) = prediction {
                outcome = Outcome::Partial;
                eprintln!("{place} {}: {error}", line.number);
            }
        }
        out.flush()?;
    }
}
