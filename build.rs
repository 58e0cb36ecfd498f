//! Compiles the protobuf files, without `protoc`, to message types, clients and servers, and to the
//! descriptor set that reflection serves. With the feature `cuda` also our own kernels, with `nvcc`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    if env::var_os("CARGO_FEATURE_CUDA").is_some() {
        compile_kernels("src/model/encoder/carry.cu", &out_dir.join("carry.ptx"))?;
    }
    Ok(())
}

/// Compiles CUDA to PTX, which the driver of any GPU of this compute capability or a later one finishes.
fn compile_kernels(source: &str, ptx: &Path) -> Result<(), Box<dyn Error>> {
    for variable in ["CUDA_COMPUTE_CAP", "CUDA_HOME", "NVCC"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed={source}");
    let capability = env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "80".to_owned());
    let nvcc = match (env::var_os("NVCC"), env::var_os("CUDA_HOME")) {
        (Some(nvcc), _) => PathBuf::from(nvcc),
        (None, Some(home)) => PathBuf::from(home).join("bin/nvcc"),
        (None, None) => PathBuf::from("nvcc"),
    };
    let architecture = format!("--gpu-architecture=compute_{capability}");
    let mut compile = Command::new(&nvcc);
    compile.args(["--ptx", "-O3", &architecture, source, "-o"]).arg(ptx);
    let status = compile.status().map_err(|error| format!("could not run {}: {error}", nvcc.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} could not compile {source}", nvcc.display()).into())
    }
}
