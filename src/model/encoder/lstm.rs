//! The LSTM baseline, and SemiNAS's encoder: both read the choices that make up an architecture one by one.

use candle_core::{D, IndexOp, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::model::encoder::sequence::{self, Choice};
use crate::model::encoder::{Encode, Noise, Padding};
use crate::model::layers::{Linear, for_products};
use crate::model::{Input, LstmConfig};
use crate::space::{Placement, SearchSpace, Wiring};

/// One layer. Tensors are named as published where an encoder was.
#[derive(Debug)]
pub struct LstmEncoder {
    read: Read,
    hidden_dim: usize,
    vocabulary: Vocabulary,
    /// What the gates make of a word, `[4 * hidden, n_in_word * embedding]`.
    weight_input: Tensor,
    bias_input: Tensor,
    hidden: Linear,
}

/// What the embedding of an architecture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// What the LSTM puts out after the last word.
    Last,
    /// The mean of what it puts out after each word, all of them and the mean brought to length 1 (SemiNAS, after
    /// NAO).
    NormalisedMean,
}

/// The embeddings of all numbers that can be chosen.
#[derive(Debug)]
struct Vocabulary {
    tables: Vec<Tensor>,
    /// The row of the first number, for each choice of a sequence.
    first_row: Vec<u32>,
    /// Choices that are read together, as one word.
    n_in_word: usize,
}

impl LstmEncoder {
    /// An encoder for `space`.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(cfg: &LstmConfig, read: Read, space: &SearchSpace, vb: &VarBuilder) -> Result<Self> {
        let LstmConfig { embedding_dim, hidden_dim } = *cfg;
        let vocabulary = Vocabulary::new(embedding_dim, space, vb)?;
        let bound = 1.0 / (hidden_dim as f64).sqrt();
        let tensor = |shape: &[usize], name: &str| {
            vb.pp("rnn").get_with_hints(shape, name, Init::Uniform { lo: -bound, up: bound })
        };
        let n_gates = 4 * hidden_dim;
        Ok(Self {
            read,
            hidden_dim,
            weight_input: tensor(&[n_gates, vocabulary.n_in_word * embedding_dim], "weight_ih_l0")?,
            bias_input: tensor(&[n_gates], "bias_ih_l0")?,
            hidden: Linear::new(
                for_products(tensor(&[n_gates, hidden_dim], "weight_hh_l0")?)?,
                tensor(&[n_gates], "bias_hh_l0")?,
            ),
            vocabulary,
        })
    }

    /// What the LSTM puts out after each word.
    ///
    /// # Shapes
    /// - `rows`: `[n_words, n_in_word, n_architectures]`, of the vocabulary
    /// - returns `[n_architectures, hidden]` for each word
    fn outputs(&self, rows: &Tensor) -> Result<Vec<Tensor>> {
        let (n_words, n_in_word, n_architectures) = rows.dims3()?;
        let said = self.said()?;
        let nothing = Tensor::zeros((n_architectures, self.hidden_dim), said[0].dtype(), said[0].device())?;
        let (mut output, mut memory) = (nothing.clone(), nothing);
        let mut outputs = Vec::with_capacity(n_words);
        for word in 0..n_words {
            let mut gates = output.apply(&self.hidden)?;
            for (choice, said) in said.iter().enumerate().take(n_in_word) {
                gates = (gates + said.index_select(&rows.i((word, choice))?, 0)?)?;
            }
            let gate = |i: usize| gates.narrow(1, i * self.hidden_dim, self.hidden_dim)?.contiguous();
            let sigmoid = |i: usize| candle_nn::ops::sigmoid(&gate(i)?);
            memory = ((sigmoid(1)? * memory)? + (sigmoid(0)? * gate(2)?.tanh()?)?)?;
            output = (sigmoid(3)? * memory.tanh()?)?;
            outputs.push(output.clone());
        }
        Ok(outputs)
    }

    /// What each row of the vocabulary says to the gates, for each choice of a word: `[n_rows, 4 * hidden]`. There
    /// are few rows, so that this costs less than for each word that is read.
    fn said(&self) -> Result<Vec<Tensor>> {
        let rows = Tensor::cat(&self.vocabulary.tables, 0)?;
        let (_, dim) = rows.dims2()?;
        let of_choice = |choice: usize| {
            let weight = self.weight_input.narrow(1, choice * dim, dim)?;
            let said = rows.matmul(&weight.t()?.contiguous()?)?;
            if choice == 0 { said.broadcast_add(&self.bias_input) } else { Ok(said) }
        };
        (0..self.vocabulary.n_in_word).map(of_choice).collect()
    }
}

impl Encode for LstmEncoder {
    fn dim(&self) -> usize {
        self.hidden_dim
    }

    fn embed(&self, inputs: &[Input<'_>], _: &mut Noise<'_>, padding: Padding) -> Result<Vec<Tensor>> {
        let rows = self.vocabulary.rows(&padding.fill(inputs), &self.bias_input)?;
        let outputs = self.outputs(&rows)?;
        let last = outputs.last().expect("a sequence has a word");
        Ok(vec![match self.read {
            Read::Last => last.clone(),
            Read::NormalisedMean => {
                let normalised = outputs.iter().map(of_length_1).collect::<Result<Vec<_>>>()?;
                of_length_1(&Tensor::stack(&normalised, 0)?.mean(0)?)?
            }
        }])
    }
}

impl Vocabulary {
    fn new(embedding_dim: usize, space: &SearchSpace, vb: &VarBuilder) -> Result<Self> {
        let choices = sequence::choices(space);
        let (mut tables, mut first_rows) = (Vec::new(), Vec::new());
        let mut n_rows = 0;
        for (choice, name) in
            [(Choice::Connection, "conn_emb"), (Choice::Source, "node_emb"), (Choice::Operation, "op_emb")]
        {
            if choices.contains(&choice) {
                let (n_values, init) = (choice.n_values(space), Init::Randn { mean: 0.0, stdev: 1.0 });
                tables.push(vb.pp(name).get_with_hints((n_values, embedding_dim), "weight", init)?);
                first_rows.push((choice, n_rows));
                n_rows += n_values as u32;
            }
        }
        let first_row = |choice: &Choice| {
            let mut of_tables = first_rows.iter();
            of_tables.find(|(of_table, _)| of_table == choice).map(|(_, row)| *row).expect("has a table")
        };
        let n_in_word = match (space.wiring, space.placement) {
            (Wiring::PerNode { .. }, Placement::Edge) => 2,
            _ => 1,
        };
        Ok(Self { tables, first_row: choices.iter().map(first_row).collect(), n_in_word })
    }

    /// The rows of the words of each input: `[n_words, n_in_word, n_inputs]`.
    fn rows(&self, inputs: &[Input<'_>], on_device_of: &Tensor) -> Result<Tensor> {
        let sequences: Vec<Vec<u32>> =
            inputs.iter().map(|input| sequence::numbers(input.architecture)).collect();
        let of_choice = |(i, first_row): (usize, &u32)| -> Vec<u32> {
            sequences.iter().map(|numbers| first_row + numbers[i]).collect()
        };
        let rows: Vec<u32> = self.first_row.iter().enumerate().flat_map(of_choice).collect();
        let n_words = self.first_row.len() / self.n_in_word;
        Tensor::from_vec(rows, (n_words, self.n_in_word, inputs.len()), on_device_of.device())
    }
}

/// Each row divided by its length.
fn of_length_1(rows: &Tensor) -> Result<Tensor> {
    let lengths = rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
    rows.broadcast_div(&(lengths + 1e-12)?)
}
