//! Reading a text from left to right, and saying where it goes wrong.

use crate::space::GraphError;

/// Bytes of an architecture's text at most: more than any space can print (four cells of 128 edges, an operation's
/// name of 64 bytes on each, come to 40,000), few enough to be read at once.
pub(in crate::space) const MAX_TEXT_BYTES: usize = 65_536;

/// Characters of a faulty text that are quoted.
const QUOTED: usize = 24;

/// Why a text is no architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not written in the space's notation.
    #[error("column {column}: expected {expected}, found {found}")]
    Text {
        /// Which character it goes wrong at, counted from 1.
        column: usize,
        /// What may stand there.
        expected: String,
        /// What does.
        found: String,
    },
    /// It writes a graph that is no architecture of the space.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Refuses a text that is too long to look at.
pub(super) fn check_length(text: &str) -> Result<(), ParseError> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let n_chars = text.char_indices().take_while(|(start, c)| start + c.len_utf8() <= MAX_TEXT_BYTES).count();
    let expected = format!("the text to end within {MAX_TEXT_BYTES} bytes");
    Err(ParseError::Text { column: n_chars + 1, expected, found: format!("{} bytes", text.len()) })
}

/// A place in a text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Cursor<'a> {
    /// The start of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// Steps over `symbol`, which is expected `role`, as "to close the edge".
    pub(super) fn expect(&mut self, symbol: char, role: &str) -> Result<(), ParseError> {
        if !self.next_is(symbol) {
            return Err(self.error(format!("'{symbol}' {role}")));
        }
        self.position += symbol.len_utf8();
        Ok(())
    }

    /// Makes sure that nothing is left.
    pub(super) fn expect_end(&self) -> Result<(), ParseError> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.error("the end of the text")) }
    }

    /// Steps over the longest run of characters that `belongs` accepts, maybe none.
    pub(super) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.position += run.len();
        run
    }

    /// Whether `symbol` comes next.
    pub(super) fn next_is(&self, symbol: char) -> bool {
        self.rest().starts_with(symbol)
    }

    /// Steps over one character, if there is one.
    pub(super) fn take_one(&mut self) {
        self.position += self.rest().chars().next().map_or(0, char::len_utf8);
    }

    /// What is wrong here, found as it stands.
    pub(super) fn error(&self, expected: impl Into<String>) -> ParseError {
        let found = match self.rest() {
            "" => "the end of the text".to_owned(),
            rest => quoted(rest),
        };
        self.error_found(expected, found)
    }

    /// What is wrong here, where there is more to say of what was found.
    pub(super) fn error_found(&self, expected: impl Into<String>, found: impl Into<String>) -> ParseError {
        let column = self.text[..self.position].chars().count() + 1;
        ParseError::Text { column, expected: expected.into(), found: found.into() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }
}

/// The start of a text, escaped and in quotes.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}..", &text[..end]),
        None => format!("{text:?}"),
    }
}
