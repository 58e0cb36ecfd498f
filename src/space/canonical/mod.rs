//! Which architectures compute the same thing.
//!
//! A cell is reduced to what it computes ([`reduce`]), the vertices of the result are brought into
//! the one order that does not depend on how they were numbered ([`labelling`]), and that form is
//! hashed into the name of the class.

mod form;
mod labelling;
mod reduce;
mod representative;

use std::array;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use self::form::{Form, Label, Vertex};
pub use self::representative::Representative;
use crate::space::Architecture;

/// Version of the algorithm: raised whenever any architecture would get another id.
const VERSION: &str = "c1";

/// Names a class of architectures that compute the same thing, as
/// `nasbench201.c1.00112233445566778899aabbccddeeff`: space, version of the algorithm, the
/// first 128 bits of the form's SHA-256.
///
/// It groups (splits, reports). It is no key for measured values: members of a class were trained
/// separately.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalId(Arc<str>);

impl CanonicalId {
    /// The id that was kept as this text. It is taken at its word: which class an architecture is of is
    /// for [`Architecture::canonical`] to say.
    #[must_use]
    pub fn from_kept(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an architecture computes, however it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// Names the class.
    pub id: CanonicalId,
    /// The same for all members of the class, and for no other architecture.
    pub form: Form,
    /// Which vertex of the form each operation became, in the order of
    /// [`Architecture::operations`]. `None` where it was dropped (no connection, or no path from
    /// input to output) or contracted (an identity).
    pub instance_of: Vec<Option<Instance>>,
}

/// The place of an operation in a [`Form`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// Position in [`Form::cells`].
    pub cell: usize,
    /// Position among the vertices of that cell.
    pub vertex: usize,
}

impl Architecture {
    /// The class of the architecture.
    ///
    /// Two architectures of one space share an id exactly when their graphs are the same up to
    /// relabelling, after
    /// - `none` operations, and operations with no path from an input to the output, are dropped;
    /// - identities are contracted: sums of sums become one sum, in which a term may stand several
    ///   times; a skip from an input of a reduction cell is strided and no identity;
    /// - where the output concatenates, its parts are told apart from the sum of all, not from each other;
    /// - every other operation, a pooling too, is an instance of its own: two convolutions of the same
    ///   input are two, one convolution read twice is one.
    #[must_use]
    pub fn canonical(&self) -> Canonical {
        let mut cells = Vec::new();
        let mut instance_of = Vec::new();
        for (index, (shape, cell)) in self.space().cells.iter().zip(self.cells()).enumerate() {
            let reduced = reduce::reduce(self.space(), shape, cell);
            let order = labelling::canonical_order(&reduced.vertices);
            let position = labelling::inverse(&order);
            let instance = |vertex: usize| Instance { cell: index, vertex: position[vertex] };
            instance_of.extend(reduced.vertex_of.into_iter().map(|vertex| vertex.map(instance)));
            cells.push(labelling::reorder(&reduced.vertices, &order));
        }
        let form = Form::new(Arc::clone(self.space()), cells);
        Canonical { id: id(&self.space().name, &form), form, instance_of }
    }
}

fn id(space: &str, form: &Form) -> CanonicalId {
    let digest = Sha256::digest(form.to_string());
    let head = u128::from_be_bytes(array::from_fn(|index| digest[index]));
    CanonicalId(format!("{space}.{VERSION}.{head:032x}").into())
}

#[cfg(test)]
mod tests;
