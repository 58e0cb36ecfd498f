//! Compiles the protobuf files, without `protoc`, to message types, clients and servers, and to the
//! descriptor set that reflection serves.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use protox::prost::Message;

const PROTO_FILES: [&str; 6] = [
    "tagates/v1/model.proto",
    "tagates/v1/observation.proto",
    "tagates/v1/predictor.proto",
    "tagates/v1/search_space.proto",
    "tagates/v1/task.proto",
    "tagates/v1/training.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(PROTO_FILES, ["proto"])?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("tagates.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(descriptors)?;
    Ok(())
}
