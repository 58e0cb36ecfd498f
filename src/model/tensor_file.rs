//! Named tensors and one text in a safetensors file.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Result, Tensor};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// `tensors` as f32, with `header` under `key` among the metadata. The same input gives the same bytes.
///
/// # Errors
/// When a tensor cannot be copied to the CPU as f32.
pub fn write(tensors: &BTreeMap<String, Tensor>, key: &str, header: String) -> Result<Vec<u8>> {
    serialize(tensors, Some(HashMap::from([(key.to_owned(), header)])))
}

/// `tensors` as f32 and nothing else.
///
/// # Errors
/// When a tensor cannot be copied to the CPU as f32.
pub fn write_plain(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
    serialize(tensors, None)
}

fn serialize(
    tensors: &BTreeMap<String, Tensor>,
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let mut rows = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let values: Vec<f32> = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        rows.push((name, tensor.dims().to_vec(), bytes));
    }
    let views = rows
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, SafeTensorError>>()?;
    Ok(safetensors::serialize(views, metadata)?)
}

/// The text under `key`, if the file has one.
///
/// # Errors
/// When the bytes are no whole safetensors file.
pub fn header(bytes: &[u8], key: &str) -> std::result::Result<Option<String>, SafeTensorError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    Ok(metadata.metadata().as_ref().and_then(|metadata| metadata.get(key).cloned()))
}
