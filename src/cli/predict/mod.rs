//! `tagates predict`

mod offline;
mod record;
mod remote;

use std::path::PathBuf;

use clap::ValueEnum;

use crate::app::DeviceConfig;
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
    #[command(flatten)]
    device: DeviceConfig,
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

type Lines<'a> = Box<dyn Iterator<Item = anyhow::Result<Line>> + 'a>;

/// The scores of some lines, all by one model version.
struct Scores {
    model_version: String,
    score_kind: ScoreKind,
    /// Where the scores have one.
    unit: Option<Unit>,
    /// One for each line, in order: its prediction or what is wrong with it.
    predictions: Vec<Result<Prediction, String>>,
}

/// Who can be asked for scores.
trait Predictor {
    /// How many lines are best scored at once.
    fn n_lines(&self) -> usize;

    /// Scores the lines that can be scored.
    ///
    /// # Errors
    /// When none of them can.
    fn score(&mut self, lines: &[Line]) -> anyhow::Result<Scores>;
}

/// Scores and prints, in order. An architecture that cannot be scored is reported by the number of its
/// line; the others are printed all the same.
///
/// # Errors
/// When the model cannot be had or fails, or the input cannot be read.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut predictor = args.predictor()?;
    let (mut lines, place) = args.lines()?;
    let mut out = Output::stdout();
    let mut n_failed = 0;
    loop {
        let lines: Vec<Line> = lines.by_ref().take(predictor.n_lines()).collect::<anyhow::Result<_>>()?;
        if lines.is_empty() {
            return Ok(if n_failed == 0 { Outcome::Complete } else { Outcome::Partial });
        }
        let scores = predictor.score(&lines)?;
        for (line, prediction) in lines.iter().zip(&scores.predictions) {
            let record = Record::new(&line.text, prediction, &scores, args.anytime);
            match (args.format, prediction) {
                (Format::Json, _) => out.line(serde_json::to_string(&record)?)?,
                (Format::Text, Ok(_)) => out.line(record)?,
                (Format::Text, Err(_)) => {}
            }
            if let Err(error) = prediction {
                n_failed += 1;
                eprintln!("{place} {}: {error}", line.number);
            }
        }
        out.flush()?;
    }
}

impl Args {
    fn predictor(&self) -> anyhow::Result<Box<dyn Predictor>> {
        Ok(match &self.server {
            Some(url) => Box::new(Remote::connect(url, self.task.clone(), self.anytime)?),
            None => Box::new(Offline::load(self.checkpoint.as_deref(), self.anytime, &self.device.open()?)?),
        })
    }

    /// The architectures, and what their numbers count.
    fn lines(&self) -> anyhow::Result<(Lines<'_>, &'static str)> {
        if let Some(input) = &self.input {
            return Ok((Box::new(lines::read(input)?), "line"));
        }
        let given = self.architectures.iter().zip(1..);
        let given = given.map(|(text, number)| Ok(Line { number, text: text.clone() }));
        Ok((Box::new(given), "argument"))
    }
}
