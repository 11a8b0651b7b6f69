//! The judge itself.
