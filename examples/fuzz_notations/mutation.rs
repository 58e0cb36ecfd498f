//! Texts that are almost right.

use std::collections::BTreeSet;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Texts are not made longer than this, somewhat more than any that is read.
const MAX_BYTES: usize = 70_000;
/// Texts that are changed further.
const MAX_POOL: usize = 2_000;

/// Words and signs that mean something in one notation or another, or are often handled wrongly.
const SPECIAL: [&str; 34] = [
    "0",
    "1",
    "2",
    "7",
    "16",
    "17",
    "128",
    "-1",
    "1e9",
    "0x10",
    "18446744073709551615",
    "99999999999999999999",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "'",
    "\"",
    "\\",
    "\\u0000",
    "\0",
    "\n",
    " ",
    "é",
    "\u{202e}",
    "range(0, 9999999999)",
    "none",
    "null",
    "true",
    "input",
    "output",
    ",,",
];

/// Makes texts out of others.
pub struct Mutator {
    pool: Vec<Vec<u8>>,
    tokens: Vec<Vec<u8>>,
    n_seeds: usize,
}

impl Mutator {
    /// Starts from valid texts, of which it learns the words, and from `words` besides.
    pub fn new(seeds: &[String], words: &[&str]) -> Self {
        let mut tokens: BTreeSet<Vec<u8>> = SPECIAL.iter().map(|token| token.as_bytes().to_vec()).collect();
        tokens.extend(words.iter().map(|word| word.as_bytes().to_vec()));
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        for seed in seeds {
            tokens.extend(seed.split(|c| !is_word(c)).map(|word| word.as_bytes().to_vec()));
            tokens.extend(seed.split(is_word).map(|signs| signs.as_bytes().to_vec()));
        }
        let pool: Vec<_> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
        Self { n_seeds: pool.len(), pool, tokens: tokens.into_iter().collect() }
    }

    /// Keeps an accepted text to be changed further, in the place of an earlier one where there are many.
    pub fn keep(&mut self, text: &str, rng: &mut ChaCha8Rng) {
        let text = text.as_bytes().to_vec();
        if self.pool.len() < MAX_POOL {
            self.pool.push(text);
        } else {
            let place = rng.random_range(self.n_seeds..MAX_POOL);
            self.pool[place] = text;
        }
    }

    /// The next text: a changed one mostly, at times mere words or mere bytes.
    pub fn text(&self, rng: &mut ChaCha8Rng) -> String {
        let mut text = match rng.random_range(0..20) {
            0 => (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
            1 | 2 => (0..rng.random_range(0..60)).flat_map(|_| self.token(rng).to_vec()).collect(),
            _ => {
                let mut text = self.pool.choose(rng).cloned().unwrap_or_default();
                for _ in 0..rng.random_range(1..=4) {
                    self.change(&mut text, rng);
                }
                text
            }
        };
        text.truncate(MAX_BYTES);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn token(&self, rng: &mut ChaCha8Rng) -> &[u8] {
        self.tokens.choose(rng).map_or(&[], Vec::as_slice)
    }

    fn change(&self, text: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
        let range = range(text.len(), rng);
        match rng.random_range(0..9) {
            0 => drop(text.drain(range)),
            1 => drop(text.splice(range, self.token(rng).to_vec())),
            2 => drop(text.splice(range.start..range.start, self.token(rng).to_vec())),
            3 => {
                let copy = text[range].to_vec();
                let place = rng.random_range(0..=text.len());
                drop(text.splice(place..place, copy));
            }
            4 => {
                let other = self.pool.choose(rng).cloned().unwrap_or_default();
                let cut = rng.random_range(0..=other.len());
                text.truncate(range.start);
                text.extend_from_slice(&other[cut..]);
            }
            5 => {
                let times =
                    if rng.random_bool(0.05) { rng.random_range(0..5_000) } else { rng.random_range(0..20) };
                let repeated = self.token(rng).repeat(times);
                drop(text.splice(range.start..range.start, repeated));
            }
            6 => {
                for byte in &mut text[range] {
                    *byte = rng.random();
                }
            }
            _ => self.change_number(text, rng),
        }
    }

    /// Puts another number, mostly a small one, in the place of one that is there.
    fn change_number(&self, text: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
        let starts: Vec<usize> = (0..text.len()).filter(|at| text[*at].is_ascii_digit()).collect();
        let Some(&start) = starts.choose(rng) else { return };
        let n_digits = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = match rng.random_range(0..10) {
            0 => rng.random::<u64>().to_string(),
            1 => String::from_utf8_lossy(self.token(rng)).into_owned(),
            _ => rng.random_range(0..18).to_string(),
        };
        drop(text.splice(start..start + n_digits, number.into_bytes()));
    }
}

/// A piece of a text so long, mostly a short one.
fn range(n_bytes: usize, rng: &mut ChaCha8Rng) -> std::ops::Range<usize> {
    let start = rng.random_range(0..=n_bytes);
    let most = if rng.random_bool(0.8) { 8 } else { n_bytes };
    start..n_bytes.min(start + rng.random_range(0..=most))
}
