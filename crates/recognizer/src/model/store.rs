//! Where models come from: built into the binary, or a folder with `model.json` and
//! `weights.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::net::CandleModel;
use super::{Model, ModelError, ModelSpec};
use crate::kernels::{Isa, KernelModel};

/// The models that every binary carries.
pub const BUILT_IN: &[&str] = &["asl-basic", "asl-digits"];

const ASL_BASIC: [&[u8]; 2] = [
    include_bytes!("../../models/asl-basic/model.json"),
    include_bytes!("../../models/asl-basic/weights.safetensors"),
];

const ASL_DIGITS: [&[u8]; 2] = [
    include_bytes!("../../models/asl-digits/model.json"),
    include_bytes!("../../models/asl-digits/weights.safetensors"),
];

/// Description and weights of a built-in model, as they lie in a model's folder.
pub fn files(name: &str) -> Option<[&'static [u8]; 2]> {
    match name {
        "asl-basic" => Some(ASL_BASIC),
        "asl-digits" => Some(ASL_DIGITS),
        _ => None,
    }
}

/// A model by name; `None` if `BUILT_IN` has none of that name.
pub fn built_in(name: &str) -> Option<Result<Box<dyn Model>, ModelError>> {
    files(name).map(|[spec, weights]| open(spec, weights))
}

/// The same on Candle: slower, and the measure of what the kernels say.
pub fn reference(name: &str) -> Option<Result<Box<dyn Model>, ModelError>> {
    let on_candle = |[spec, weights]: [&[u8]; 2]| -> Result<Box<dyn Model>, ModelError> {
        let (spec, weights) = parse(spec, weights)?;
        Ok(Box::new(CandleModel::new(spec, &weights, Device::Cpu)?))
    };
    files(name).map(on_candle)
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
    let (spec, weights) = parse(spec, weights)?;
    Ok(Box::new(KernelModel::new(spec, &weights, Isa::best())?))
}

fn parse(spec: &[u8], weights: &[u8]) -> Result<(ModelSpec, BTreeMap<String, Tensor>), ModelError> {
    let spec: ModelSpec = serde_json::from_slice(spec)?;
    let weights = candle_core::safetensors::load_buffer(weights, &Device::Cpu)?;
    Ok((spec, weights.into_iter().collect()))
}
