//! A checkpoint is refused before anything is built or allocated by its say-so.

use std::collections::HashMap;

use candle_core::Device;
use safetensors::SafeTensors;
use serde_json::Value;
use tagates::model::{
    Checkpoint, CheckpointError, Header, Input, MAX_SIZE_BYTES, Member, Model, SaliencyScale,
    SymmetryBreaking,
};
use tagates::space;

use crate::{ta_gates, tiny, trained};

fn checkpoint() -> Checkpoint {
    trained(&tiny(SymmetryBreaking::None))
}

/// The message with which a checkpoint of another header is refused.
fn refusal(change: impl FnOnce(&mut Header)) -> String {
    let checkpoint = checkpoint();
    let mut header = checkpoint.header().clone();
    change(&mut header);
    let refused =
        checkpoint.with_header(&header).and_then(|checkpoint| Model::load(&checkpoint, &Device::Cpu));
    refused.expect_err("the header is wrong").to_string()
}

#[test]
fn what_is_written_is_read() {
    let checkpoint = checkpoint();
    let read = Checkpoint::from_bytes(checkpoint.as_bytes()).expect("what was written");
    assert_eq!(read.header(), checkpoint.header());
    assert_eq!(read.digest(), checkpoint.digest());
}

/// As users keep them, and as the one in the repository was.
#[test]
fn a_checkpoint_of_format_1_is_read_and_scores_as_it_did() {
    let checkpoint = checkpoint();
    let mut header = serde_json::to_value(checkpoint.header()).expect("JSON");
    header["format_version"] = 1.into();
    let mut model = header["model"].take();
    let encoder = model["encoder"]["ta_gates"].take();
    let (Value::Object(mut flat), Value::Object(encoder)) = (model, encoder) else { panic!("two objects") };
    flat.remove("encoder");
    flat.extend(encoder);
    header["model"] = flat.into();
    let tensors = SafeTensors::deserialize(checkpoint.as_bytes()).expect("safetensors");
    let metadata = HashMap::from([("tagates".to_owned(), header.to_string())]);
    let old = safetensors::serialize(tensors.iter(), Some(metadata)).expect("a file");

    let read = Checkpoint::from_bytes(&old).expect("format 1");
    assert_eq!(read.header(), checkpoint.header());
    let architecture = &space::nasbench201().sample(1, 3)[0];
    let scores = |checkpoint| {
        let model = Model::load(checkpoint, &Device::Cpu).expect("a model");
        model.raw_scores(&[Input::from(architecture)]).expect("scores")
    };
    assert_eq!(scores(&read), scores(&checkpoint));
    let rewritten = read.with_header(read.header()).expect("a checkpoint");
    assert_eq!(rewritten.as_bytes(), checkpoint.as_bytes(), "written anew, it is of this format");
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let checkpoint = checkpoint();
    let bytes = checkpoint.as_bytes();
    for length in (0..bytes.len()).step_by(97) {
        let error = Checkpoint::from_bytes(&bytes[..length]).expect_err("a part of it");
        assert!(matches!(error, CheckpointError::Container(_)), "{length} bytes: {error}");
    }
}

#[test]
fn a_header_longer_than_the_file_is_refused() {
    let mut bytes = checkpoint().as_bytes().to_vec();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(Checkpoint::from_bytes(&bytes), Err(CheckpointError::Container(_))));
}

#[test]
fn an_oversized_file_is_refused_by_its_size_alone() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    // Sparse: takes no room on the disk.
    file.as_file().set_len(MAX_SIZE_BYTES as u64 + 1).expect("a sparse file");
    let error = Checkpoint::read(file.path()).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "checkpoint of 67108865 bytes is larger than the 67108864 bytes that are accepted"
    );
}

#[test]
fn a_safetensors_file_of_somebody_else_is_refused() {
    let foreign = safetensors::serialize(Vec::<(String, safetensors::tensor::TensorView<'_>)>::new(), None);
    let error = Checkpoint::from_bytes(&foreign.expect("a file")).expect_err("no header of ours");
    assert!(matches!(error, CheckpointError::NoHeader), "{error}");
}

#[test]
fn a_header_that_does_not_describe_the_tensors_is_refused() {
    for (refusal, expected) in [
        (
            refusal(|header| header.format_version = 9),
            "checkpoint format 9 is not one that this binary reads, 1 to 2",
        ),
        (
            refusal(|header| ta_gates(&mut header.model).forward_dims = vec![usize::MAX; 3]),
            "checkpoint header: encoder.ta_gates.forward_dims: 18446744073709551615 is not between 1 and 4096",
        ),
        (
            refusal(|header| ta_gates(&mut header.model).n_steps = 4),
            "checkpoint header: steps do not lie in 1 to 4 and end with 4",
        ),
        (
            refusal(|header| header.space = "mars".into()),
            "checkpoint header: space \"mars\" is neither built in nor defined",
        ),
        (
            refusal(|header| header.definition = Some((*tagates::space::darts()).clone())),
            "checkpoint header: defines \"darts\", which is not its space \"nasbench201\"",
        ),
        (refusal(|header| header.members.clear()), "checkpoint header: has 0 members, not 1 to 16"),
        (
            refusal(|header| header.members = vec![header.members[0].clone(); 2]),
            "checkpoint header: two members have the same tensors",
        ),
    ] {
        assert_eq!(refusal, expected);
    }
    for (refusal, part) in [
        (refusal(|header| ta_gates(&mut header.model).hidden_dim = 13), "the header describes [13, 8]"),
        (
            refusal(|header| ta_gates(&mut header.model).forward_dims.truncate(2)),
            "belongs to no part of the model",
        ),
        (
            refusal(|header| ta_gates(&mut header.model).forward_dims.push(16)),
            "tensor arch_embedder.gcns.3.weight is missing",
        ),
        (
            refusal(|header| header.members.push(Member { tensor_prefix: "members.1".into(), seed: 1 })),
            "tensor members.1.arch_embedder.",
        ),
        (
            refusal(|header| ta_gates(&mut header.model).update_mask = tagates::model::UpdateMask::All),
            "arch_embedder._parametrized_op_emb: is [0.0, 0.0, 1.0, 1.0, 0.0]",
        ),
    ] {
        assert!(refusal.starts_with("checkpoint tensors do not match its header: "), "{refusal}");
        assert!(refusal.contains(part), "{refusal}");
    }
}

#[test]
fn what_the_published_implementation_has_no_place_for_is_not_written_for_it() {
    let mut config = tiny(SymmetryBreaking::None);
    assert!(trained(&config).to_published().is_ok());
    config.model.features.cost = true;
    let error = trained(&config).to_published().expect_err("features are ours").to_string();
    assert!(
        error.ends_with("the published implementation has no place for tensor features.deviation"),
        "{error}"
    );

    let mut config = tiny(SymmetryBreaking::Add { n_metrics: 2, beta: 0.5 });
    ta_gates(&mut config.model).saliency_scale = SaliencyScale::Standardised;
    let error = trained(&config).to_published().expect_err("so is the scale").to_string();
    assert!(error.contains("has no place for tensor arch_embedder."), "{error}");
}

#[test]
fn a_weight_that_is_no_number_is_refused() {
    let mut bytes = checkpoint().as_bytes().to_vec();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = Checkpoint::from_bytes(&bytes).expect_err("a NaN");
    assert!(error.to_string().ends_with("holds a value that is not finite"), "{error}");
}
