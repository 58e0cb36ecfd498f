//! Architectures as a command is given them: one a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

/// A line that holds an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Without surrounding space.
    pub text: String,
}

/// The lines of a file, or of standard input where it is called `-`. Blank ones are left out.
///
/// # Errors
/// When the file cannot be opened; each item, when it cannot be read or is no UTF-8.
pub(in crate::cli) fn read(input: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Line>>> {
    let reader: Box<dyn BufRead> = if input == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(input).with_context(|| format!("could not open {}", input.display()))?;
        Box::new(BufReader::new(file))
    };
    Ok(numbered(reader))
}

fn numbered(reader: impl BufRead) -> impl Iterator<Item = anyhow::Result<Line>> {
    let lines = reader.lines().zip(1..).map(|(line, number)| {
        let text = line.with_context(|| format!("could not read line {number}"))?;
        Ok(Line { number, text: text.trim().to_owned() })
    });
    lines.filter(|line| line.as_ref().map_or(true, |line| !line.text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_left_out_but_counted() {
        let lines: Vec<_> = numbered("a\n\n  b \r\n".as_bytes()).collect::<Result<_, _>>().expect("readable");
        let expected = [(1, "a"), (3, "b")].map(|(number, text)| Line { number, text: text.to_owned() });
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        let error = numbered(&b"a\n\xff\n"[..]).nth(1).expect("two lines").expect_err("no UTF-8");
        assert_eq!(error.to_string(), "could not read line 2");
    }
}
