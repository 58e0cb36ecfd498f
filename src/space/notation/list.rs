//! What notations have in common that are written like lists of Python or JSON.

use super::text::{Cursor, ParseError, quoted};
use crate::space::{OperationIndex, SearchSpace};

impl<'a> Cursor<'a> {
    /// Steps over white space.
    pub(super) fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// Steps over white space and `symbol`, if that comes next.
    pub(super) fn accepts(&mut self, symbol: char) -> bool {
        self.skip_space();
        let found = self.next_is(symbol);
        if found {
            self.take_one();
        }
        found
    }

    /// Steps over white space and `symbol`, which is expected `role`.
    pub(super) fn expect_after_space(&mut self, symbol: char, role: &str) -> Result<(), ParseError> {
        self.skip_space();
        self.expect(symbol, role)
    }

    /// The items of a list in brackets with commas between them, maybe one after the last.
    pub(super) fn list<T>(
        &mut self,
        what: &str,
        max_items: usize,
        mut item: impl FnMut(&mut Self, usize) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        self.expect_after_space('[', &format!("before {what}"))?;
        let mut items = Vec::new();
        while !self.accepts(']') {
            if items.len() == max_items {
                return Err(self.error(format!("']' after {max_items} of {what}")));
            }
            let index = items.len();
            items.push(item(self, index)?);
            if !self.accepts(',') {
                self.expect_after_space(']', &format!("or ',' within {what}"))?;
                break;
            }
        }
        Ok(items)
    }

    /// A whole number.
    pub(super) fn number(&mut self, what: &str) -> Result<usize, ParseError> {
        self.skip_space();
        let start = *self;
        let digits = self.take_while(|c| c.is_ascii_digit());
        digits.parse().map_err(|_| start.error(what))
    }

    /// A word in quotes of either kind.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, ParseError> {
        self.skip_space();
        let quote = if self.next_is('\'') { '\'' } else { '"' };
        self.expect(quote, &format!("before {what}"))?;
        let word = self.take_while(|c| c != quote);
        self.expect(quote, &format!("after {what}"))?;
        Ok(word)
    }

    /// An operation of the space, in quotes.
    pub(super) fn quoted_operation(&mut self, space: &SearchSpace) -> Result<OperationIndex, ParseError> {
        self.skip_space();
        let start = *self;
        let name = self.word("an operation")?;
        space.operation_named(name).ok_or_else(|| start.unknown_operation(space, name))
    }

    /// That a name at this place is no operation of the space; where it is empty, what stands there instead.
    pub(super) fn unknown_operation(&self, space: &SearchSpace, name: &str) -> ParseError {
        let names: Vec<_> = space.operations.iter().map(|operation| operation.name.as_str()).collect();
        let expected = format!("an operation ({})", names.join(", "));
        match name {
            "" => self.error(expected),
            _ => self.error_found(expected, format!("the unknown operation {}", quoted(name))),
        }
    }
}
