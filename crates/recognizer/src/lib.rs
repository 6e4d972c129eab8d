//! Captions: features, model, training, evaluation, the serving engine.
