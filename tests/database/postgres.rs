//! A PostgreSQL server of its own, that can be stopped and started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A server that runs as long as this is held.
pub struct Postgres {
    script: Child,
    answers: BufReader<ChildStdout>,
    folder: String,
}

impl Postgres {
    /// Starts one, with settings as `fsync=on` beside its own.
    ///
    /// # Panics
    /// When that cannot be, saying what to install.
    pub fn start(settings: &[&str]) -> Self {
        let mut script = Command::new("sh")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/database/start-postgres.sh"))
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Signals to the tests, as by Ctrl-C, must not end the script before it has cleaned up.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut answers = BufReader::new(script.stdout.take().expect("it is piped"));
        let mut said = String::new();
        answers.read_line(&mut said).expect("a line of text");
        let Some(folder) = said.trim().strip_prefix("ready ").map(str::to_owned) else {
            answers.read_to_string(&mut said).expect("text");
            panic!("no PostgreSQL for the tests: {said}");
        };
        Self { script, answers, folder }
    }

    /// The URL of its database of that name.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://tagates@localhost/{database}?host={}", self.folder)
    }

    /// Stops it in an orderly way.
    pub fn stop(&mut self) {
        self.tell("stop fast", "stopped");
    }

    /// Stops it as if it had crashed.
    pub fn crash(&mut self) {
        self.tell("stop immediate", "stopped");
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.tell("start", "started");
    }

    fn tell(&mut self, command: &str, answer: &str) {
        let input = self.script.stdin.as_mut().expect("it is piped");
        writeln!(input, "{command}").expect("the script listens");
        let mut said = String::new();
        self.answers.read_line(&mut said).expect("a line of text");
        assert_eq!(said.trim(), answer, "{command}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // It cleans up before it ends.
        let _ = self.script.wait();
    }
}
