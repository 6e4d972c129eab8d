//! Where models come from: built into the binary, or a folder with `model.json` and
//! `weights.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::landmarks::LandmarkModel;
use super::{Model, ModelError, ModelSpec};

/// The models that every binary carries.
pub const BUILT_IN: &[&str] = &["asl-basic"];

const ASL_BASIC: [&[u8]; 2] = [
    include_bytes!("../../models/asl-basic/model.json"),
    include_bytes!("../../models/asl-basic/weights.safetensors"),
];

/// A model by name; `None` if `BUILT_IN` has none of that name.
pub fn built_in(name: &str) -> Option<Result<Box<dyn Model>, ModelError>> {
    let [spec, weights] = match name {
        "asl-basic" => ASL_BASIC,
        _ => return None,
    };
    Some(open(spec, weights))
}

/// The model in a folder.
pub fn load(folder: &Path) -> Result<Box<dyn Model>, ModelError> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| ModelError::Read { path, source })
    };
    open(&read("model.json")?, &read("weights.safetensors")?)
}

fn open(spec: &[u8], weights: &[u8]) -> Result<Box<dyn Model>, ModelError> {
    let spec: ModelSpec = serde_json::from_slice(spec)?;
    let weights = candle_core::safetensors::load_buffer(weights, &Device::Cpu)?;
    let weights: BTreeMap<String, Tensor> = weights.into_iter().collect();
    Ok(Box::new(LandmarkModel::new(spec, &weights, Device::Cpu)?))
}
