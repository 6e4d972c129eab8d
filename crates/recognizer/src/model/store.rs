//! Where models come from: built into the binary, or a folder with `model.json` and
//! `weights.safetensors`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use sha2::{Digest as _, Sha256};

use super::net::{CandleModel, check};
use super::verify::{JSON_BYTES_MAX, WEIGHTS_BYTES_MAX};
use super::{Model, ModelError, ModelSpec};
use crate::cuda::{DeviceModel, Place, Settings};
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

/// A model's files.
#[derive(Clone, Debug)]
pub struct Files {
    /// `model.json`.
    pub json: Cow<'static, [u8]>,
    /// `weights.safetensors`.
    pub weights: Cow<'static, [u8]>,
}

/// The files of a built-in model.
pub(super) fn built_in_files(name: &str) -> Option<Files> {
    let [json, weights] = files(name)?;
    Some(Files { json: Cow::Borrowed(json), weights: Cow::Borrowed(weights) })
}

/// The description in a model's folder.
pub(super) fn read_json(folder: &Path) -> Result<Vec<u8>, ModelError> {
    read(folder, "model.json", JSON_BYTES_MAX)
}

fn read(folder: &Path, name: &str, most: usize) -> Result<Vec<u8>, ModelError> {
    let path = folder.join(name);
    let failed = |source| ModelError::Read { path: path.clone(), source };
    let file = std::fs::File::open(&path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        let problem = format!("{} is larger than {most} bytes", path.display());
        return Err(ModelError::Mismatch(problem));
    }
    Ok(bytes)
}

impl Files {
    /// Reads a model's folder; files that are too large are refused unread.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let weights = read(folder, "weights.safetensors", WEIGHTS_BYTES_MAX)?;
        Ok(Self { json: Cow::Owned(read_json(folder)?), weights: Cow::Owned(weights) })
    }

    /// SHA-256 over both.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.json.len() as u64).to_le_bytes());
        digest.update(&self.json);
        digest.update(&self.weights);
        digest.finalize().into()
    }

    /// The description and the weights, checked.
    pub fn parse(&self) -> Result<(ModelSpec, BTreeMap<String, Tensor>), ModelError> {
        parse(&self.json, &self.weights)
    }

    /// The model that serves, checked.
    pub fn open(&self) -> Result<Box<dyn Model>, ModelError> {
        open(&self.json, &self.weights)
    }

    /// The model that serves there, checked: own kernels on the CPU, Candle elsewhere.
    pub fn open_on(&self, place: Place) -> Result<Box<dyn Model>, ModelError> {
        if place == Place::Cpu {
            return self.open();
        }
        let (spec, weights) = self.parse()?;
        Ok(Box::new(DeviceModel::new(spec, &weights, &Settings::of(place))?))
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

/// As [`built_in`], to be computed there.
pub fn built_in_on(place: Place, name: &str) -> Option<Result<Box<dyn Model>, ModelError>> {
    built_in_files(name).map(|files| files.open_on(place))
}

/// The model in a folder, checked.
pub fn load(folder: &Path) -> Result<Box<dyn Model>, ModelError> {
    Files::read(folder)?.open()
}

/// The model in a folder, checked, to be computed there.
pub fn load_on(place: Place, folder: &Path) -> Result<Box<dyn Model>, ModelError> {
    Files::read(folder)?.open_on(place)
}

fn open(spec: &[u8], weights: &[u8]) -> Result<Box<dyn Model>, ModelError> {
    let (spec, weights) = parse(spec, weights)?;
    Ok(Box::new(KernelModel::new(spec, &weights, Isa::best())?))
}

/// Description and weights out of a model's two files.
pub fn parse(
    spec: &[u8],
    weights: &[u8],
) -> Result<(ModelSpec, BTreeMap<String, Tensor>), ModelError> {
    let spec: ModelSpec = serde_json::from_slice(spec)?;
    spec.verify()?;
    let weights = candle_core::safetensors::load_buffer(weights, &Device::Cpu)?;
    let weights: BTreeMap<String, Tensor> = weights.into_iter().collect();
    check(&spec, &weights)?;
    for (name, weight) in &weights {
        if weight.dtype() != DType::F32 {
            let found = weight.dtype().as_str();
            return Err(ModelError::Mismatch(format!("the weight {name} is {found}, not f32")));
        }
        let numbers = weight.flatten_all()?.to_vec1::<f32>()?;
        if !numbers.iter().all(|number| number.is_finite()) {
            let problem = format!("the weight {name} holds what is not a number");
            return Err(ModelError::Mismatch(problem));
        }
    }
    Ok((spec, weights))
}
