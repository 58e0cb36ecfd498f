//! What a grid came to, as tables.

use std::fmt::Write;

use crate::experiments::{Outcome, Results, TargetOutcome};

/// A table for each target: encoders by training sets, each cell the mean tau of the last epoch, that of the last five
/// in brackets, and how many runs it is of; the paper's figure beside it where the grid has one.
#[must_use]
pub fn markdown(results: &Results<'_>) -> String {
    let grid = results.grid;
    let mut text = format!(
        "{}\n\nMeans over the runs of the tau after the last epoch and, in brackets, of its mean after the last five.\n",
        grid.title
    );
    for (target, column) in grid.targets.iter().enumerate() {
        let is_last = target + 1 == grid.targets.len();
        let sizes: Vec<String> = grid.sizes.iter().map(|size| size.n.to_string()).collect();
        let rule = "---|".repeat(grid.sizes.len());
        write!(text, "\n`{column}`\n\n| encoder | {} |\n|---|{rule}\n", sizes.join(" | "))
            .expect("writing to a string");
        for encoder in &grid.encoders {
            write!(text, "| {} |", encoder.name).expect("writing to a string");
            for (index, size) in grid.sizes.iter().enumerate() {
                let outcomes = results.of(&encoder.name, size.n);
                let paper = encoder.paper.get(index).filter(|figure| is_last && figure.is_finite());
                write!(text, " {} |", cell(&outcomes, target, paper)).expect("writing to a string");
            }
            text.push('\n');
        }
    }
    text
}

fn cell(outcomes: &[&Outcome], target: usize, paper: Option<&f64>) -> String {
    let paper = paper.map_or(String::new(), |figure| format!("; paper {}", short(*figure)));
    let mean = |of: fn(&TargetOutcome) -> f64| {
        outcomes.iter().map(|outcome| of(&outcome.targets[target])).sum::<f64>() / outcomes.len() as f64
    };
    match outcomes.len() {
        0 => format!("no run{paper}"),
        n => {
            let (tau, five) = (short(mean(|it| it.tau)), short(mean(|it| it.tau_last_five_mean)));
            format!("{tau} ({five}), {n} run{}{paper}", if n == 1 { "" } else { "s" })
        }
    }
}

/// Three digits, as the paper prints them: `.778`.
fn short(figure: f64) -> String {
    format!("{figure:.3}").replacen("0.", ".", 1)
}

/// Every figure of every trial, a line each.
#[must_use]
pub fn csv(results: &Results<'_>) -> String {
    let grid = results.grid;
    let mut text = String::from("encoder,n,start,seed,target,figure,value\n");
    for encoder in &grid.encoders {
        for outcome in grid.sizes.iter().flat_map(|size| results.of(&encoder.name, size.n)) {
            let trial = &outcome.trial;
            let name = trial.encoder.replace('"', "\"\"");
            for target in &outcome.targets {
                let mut line = |figure: &str, value: f64| {
                    let (n, start, seed, column) = (trial.n, trial.start, trial.seed, &target.column);
                    writeln!(text, "\"{name}\",{n},{start},{seed},{column},{figure},{value}")
                        .expect("writing to a string");
                };
                line("tau", target.tau);
                line("tau_last_five_mean", target.tau_last_five_mean);
                if let Some(tau) = target.tau_unseen {
                    line("tau_unseen", tau);
                }
                for (top, share) in &target.precision {
                    line(&format!("precision@{top}"), *share);
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::{Grid, Journal, Trial};

    const GRID: &str = r#"
        title = "Small"
        space = "nasbench201"
        targets = ["after_12", "after_200"]
        unit = "percent"
        training_rows = ["split", "train"]
        test_rows = ["split", "test"]
        sizes = [{ n = 39, starts = [0], seeds = [1, 2] }, { n = 78, starts = [0], seeds = [1] }]
        encoders = [{ name = "GATES", config = "paper/gates-nasbench201", paper = [0.6, nan] }]
    "#;

    #[test]
    fn a_cell_has_mean_runs_and_the_papers_figure() {
        let directory = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(&directory.path().join("outcomes.jsonl")).expect("a new file");
        let mut trials = Vec::new();
        for (seed, tau) in [(1, 0.5), (2, 0.75)] {
            let target = |column: &str, tau| TargetOutcome {
                column: column.to_owned(),
                tau,
                tau_last_five_mean: tau / 2.0,
                tau_unseen: None,
                precision: vec![("10".to_owned(), 0.5)],
                sample: Vec::new(),
            };
            let trial = Trial { encoder: "GATES".to_owned(), n: 39, start: 0, seed, setting: String::new() };
            trials.push(trial.clone());
            let targets = vec![target("after_12", -tau), target("after_200", tau)];
            journal.add(Outcome { trial, targets }).expect("room");
        }
        let grid = Grid::parse(GRID).expect("valid");
        let results = Results::new(&grid, &trials, &journal);
        let expected = "Small\n\nMeans over the runs of the tau after the last epoch and, in brackets, of its mean after the \
                        last five.\n\n`after_12`\n\n| encoder | 39 | 78 |\n|---|---|---|\n\
                        | GATES | -.625 (-.312), 2 runs | no run |\n\n`after_200`\n\n| encoder | 39 | 78 |\n|---|---|---|\n\
                        | GATES | .625 (.312), 2 runs; paper .600 | no run |\n";
        assert_eq!(markdown(&results), expected);
        let lines = csv(&results);
        assert_eq!(lines.lines().nth(1), Some("\"GATES\",39,0,1,after_12,tau,-0.5"));
        assert_eq!(lines.lines().count(), 1 + 2 * 2 * 3);
    }
}
