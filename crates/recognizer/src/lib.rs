//! Captions: features, model, training, evaluation, the serving engine.

pub mod cuda;
pub mod decode;
pub mod engine;
pub mod evaluate;
pub mod features;
pub mod kernels;
pub mod model;
pub mod reread;
pub mod synthetic;
pub mod teach;
pub mod train;
pub mod worker;
