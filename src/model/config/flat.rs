//! The model of format 1, whose only encoder was TA-GATES: its fields stood beside those of the heads. Checkpoints
//! and configurations of users have it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::Features;
use crate::model::config::{Encoder, Heads, ModelConfig};

/// The fields of either form.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct AnyForm(Map<String, Value>);

/// The form of today.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    encoder: Encoder,
    head_dims: Vec<usize>,
    head_dropout: f64,
    #[serde(default)]
    heads: Heads,
    #[serde(default)]
    features: Features,
}

/// The field by which the forms are told apart.
const ENCODER: &str = "encoder";
/// What is no part of an encoder.
const OF_HEADS: [&str; 4] = ["head_dims", "head_dropout", "heads", "features"];

impl TryFrom<AnyForm> for ModelConfig {
    type Error = serde_path_to_error::Error<serde_json::Error>;

    fn try_from(AnyForm(mut fields): AnyForm) -> Result<Self, Self::Error> {
        if !fields.contains_key(ENCODER) {
            let is_of_heads = |name: &str| OF_HEADS.contains(&name);
            let (mut of_heads, of_encoder): (Map<_, _>, Map<_, _>) =
                fields.into_iter().partition(|(name, _)| is_of_heads(name));
            of_heads.insert(ENCODER.to_owned(), json!({ "ta_gates": of_encoder }));
            fields = of_heads;
        }
        let Fields { encoder, head_dims, head_dropout, heads, features } =
            serde_path_to_error::deserialize(Value::from(fields))?;
        Ok(Self { encoder, head_dims, head_dropout, heads, features })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SymmetryBreaking, TaGatesConfig};

    const FLAT: &str = r#"{"n_steps":2,"operation_dim":8,"node_dim":8,"hidden_dim":12,"forward_dims":[16],
        "backward_dims":[16],"conversion_dims":[16],"update_dims":[16],"update_scale":0.1,
        "update_input":"messages","update_mask":"parametrised","symmetry_breaking":{"random":{"scale":0.2}},
        "head_dims":[24],"head_dropout":0.3,"heads":"last_step"}"#;

    #[test]
    fn a_flat_model_is_ta_gates_and_reads_back_as_it_is_written_today() {
        let read: ModelConfig = serde_json::from_str(FLAT).expect("the form of format 1");
        let expected = ModelConfig {
            encoder: Encoder::TaGates(TaGatesConfig {
                n_steps: 2,
                operation_dim: 8,
                node_dim: 8,
                hidden_dim: 12,
                forward_dims: vec![16],
                backward_dims: vec![16],
                conversion_dims: vec![16],
                update_dims: vec![16],
                symmetry_breaking: SymmetryBreaking::Random { scale: 0.2 },
                ..TaGatesConfig::default()
            }),
            head_dims: vec![24],
            head_dropout: 0.3,
            heads: Heads::LastStep,
            features: Features::default(),
        };
        assert_eq!(read, expected);
        let written = serde_json::to_value(&read).expect("JSON");
        assert!(written.get("n_steps").is_none() && written["encoder"]["ta_gates"]["n_steps"] == 2);
        assert_eq!(serde_json::from_value::<ModelConfig>(written).expect("the form of today"), expected);
    }

    #[test]
    fn a_field_that_cannot_be_read_is_named() {
        for (from, to, message) in [
            (
                "\"n_steps\":2",
                "\"n_steps\":\"2\"",
                "encoder.ta_gates.n_steps: invalid type: string \"2\", expected usize",
            ),
            ("0.3", "null", "head_dropout: invalid type: null, expected f64"),
        ] {
            let refused =
                serde_json::from_str::<ModelConfig>(&FLAT.replace(from, to)).expect_err("no number");
            assert!(refused.to_string().starts_with(message), "{refused}");
        }
    }

    #[test]
    fn a_field_of_neither_form_is_refused_by_its_name() {
        for (from, to) in [("\"n_steps\"", "\"steps\""), ("\"heads\"", "\"necks\"")] {
            let refused = serde_json::from_str::<ModelConfig>(&FLAT.replace(from, to)).expect_err("unknown");
            assert!(
                refused.to_string().contains(&format!("unknown field `{}`", to.replace('"', ""))),
                "{refused}"
            );
        }
    }
}
