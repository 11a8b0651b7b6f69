//! What the environment asks of a GPU: how variants are chosen, checks in shaders, and where files are kept.

use crate::gpu::{Gpu, ShaderChecks, Tune};
use std::path::PathBuf;

/// Sets a GPU up as the environment asks for.
pub(super) fn set_up(gpu: &Gpu) {
    let tune = match std::env::var("STEEPEST_TUNE").as_deref() {
        Ok("1") => Tune::Measure,
        Ok("0") => Tune::Off,
        _ => Tune::Read,
    };
    gpu.set_tune(tune, tuned(gpu));
    gpu.set_pipeline_cache(file(gpu, "pipelines", "bin"));
    match std::env::var("STEEPEST_SHADERS").as_deref() {
        Ok("trusted") => gpu.set_shader_checks(ShaderChecks::Trusted),
        Err(_) | Ok("" | "checked") => {}
        Ok(other) => tracing::warn!("STEEPEST_SHADERS={other} is neither `checked` nor `trusted`; shaders are checked"),
    }
}

/// Where what was measured is kept.
pub(super) fn tuned(gpu: &Gpu) -> Option<PathBuf> {
    file(gpu, "tuned", "tsv")
}

/// Where something of an adapter is kept; `None` if the system has no place for it, or `STEEPEST_CACHE=off`.
fn file(gpu: &Gpu, what: &str, kind: &str) -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = of("STEEPEST_CACHE");
    if named.as_ref().is_some_and(|name| name.as_os_str() == "off") {
        return None;
    }
    let folder = named.or_else(|| {
        let caches = if cfg!(windows) {
            of("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            of("HOME").map(|home| home.join("Library/Caches"))
        } else {
            of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))
        };
        caches.map(|caches| caches.join("steepest"))
    })?;
    let name: String = gpu.name().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Some(folder.join(format!("{what}-{name}.{kind}")))
}
