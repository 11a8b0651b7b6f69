//! What single drivers do otherwise than others, one file each: which have it, how they are told, and what follows.

pub(super) mod window_extensions;
