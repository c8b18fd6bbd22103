//! What the vocabulary promises.
