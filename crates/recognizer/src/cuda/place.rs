//! Where a model is computed, and with which numbers.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::model::ModelError;

/// Where a model is computed: `cpu`, or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// On the CPU, by the kernels of this program.
    #[default]
    Cpu,
    /// On that NVIDIA device, counted from 0.
    Cuda(usize),
}

impl Place {
    /// The device, opened.
    ///
    /// # Errors
    /// This binary was built without CUDA, or there is no such device.
    pub fn open(self) -> Result<Device, ModelError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => super::device::open(number),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => Err(ModelError::Mismatch(format!(
                "{self} is asked for, and this binary was built for the CPU alone: start signcall-cuda (`cargo xtask cuda build`)"
            ))),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            other => other.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        let wrong =
            || format!("{text:?} is no device: say cpu, or cuda:0 for the first NVIDIA one");
        number.map(Self::Cuda).ok_or_else(wrong)
    }
}

/// The numbers inside the blocks of a net on a device. Norms, sums and probabilities are f32 always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 16 bits, with the range of f32.
    #[default]
    Bf16,
    /// 32 bits.
    F32,
}

impl Precision {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::Bf16 => DType::BF16,
            Self::F32 => DType::F32,
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bf16" => Ok(Self::Bf16),
            "f32" => Ok(Self::F32),
            other => Err(format!("{other:?} is no precision: say bf16 or f32")),
        }
    }
}
