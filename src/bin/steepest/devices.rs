//! `steepest devices`: the adapters of this machine, what they allow, and which one a program would take.

use crate::output::{self, Verdict};
use crate::say;
use serde_json::{Value, json};
use std::process::ExitCode;
use steepest::{Device, DeviceInfo};

#[derive(clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Verdict {
    let default = Device::best().map(|d| d.to_string());
    let listed: Vec<Value> = Device::all().iter().map(|info| entry(info, default.as_deref().ok())).collect();
    if args.json {
        output::json(&json!({ "devices": listed }))?;
        return Ok(ExitCode::SUCCESS);
    }
    listed.iter().try_for_each(print)?;
    if let Err(error) = default {
        say!("Device::best() fails: {error}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of a device; `default` is the name of the one that a program takes by itself.
fn entry(info: &DeviceInfo, default: Option<&str>) -> Value {
    let mut entry = json!({
        "name": info.name,
        "driver": info.driver,
        "backend": info.backend,
        "software": info.software,
    });
    let device = match Device::named(&info.name) {
        Ok(device) => device,
        Err(error) => {
            entry["error"] = json!(error.to_string());
            return entry;
        }
    };
    entry["default"] = json!(default == Some(device.to_string().as_str()));
    if let Some(gpu) = device.as_gpu() {
        let limits = gpu.limits();
        entry["limits"] = json!({
            "buffer_bytes": limits.buffer_bytes,
            "binding_bytes": limits.binding_bytes,
            "storage_buffers": limits.storage_buffers,
            "workgroup_bytes": limits.workgroup_bytes,
            "invocations": limits.invocations,
            "workgroup_size": limits.workgroup_size,
            "groups": limits.groups,
        });
        entry["features"] = json!(gpu.features());
    }
    entry
}

/// The same for people.
fn print(entry: &Value) -> anyhow::Result<()> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let mark = if entry["default"] == true { "  (what Device::best() takes)" } else { "" };
    say!("{}{mark}", text("name"));
    let kind = if entry["software"] == true { ", software: taken only when asked for by name" } else { "" };
    say!("  {}, {}{kind}", text("backend"), text("driver"));
    if let Some(error) = entry["error"].as_str() {
        say!("  does not open: {error}");
    }
    if let Some(limits) = entry["limits"].as_object() {
        let number = |key: &str| limits[key].as_u64().unwrap_or_default();
        say!(
            "  tensors up to {} MiB, buffers up to {} MiB; {} storage buffers per kernel",
            number("binding_bytes") >> 20,
            number("buffer_bytes") >> 20,
            number("storage_buffers")
        );
        say!(
            "  workgroups: {} invocations ({}), {} KiB of memory, {} per axis of a dispatch",
            number("invocations"),
            limits["workgroup_size"].as_array().into_iter().flatten().map(|n| n.to_string()).collect::<Vec<_>>().join(" × "),
            number("workgroup_bytes") >> 10,
            number("groups")
        );
    }
    if let Some(features) = entry["features"].as_array() {
        let has = |wanted: bool| {
            let named = features.iter().filter(|f| f[1] == wanted).filter_map(|f| f[0].as_str());
            let list = named.collect::<Vec<_>>().join(", ");
            if list.is_empty() { "none".to_owned() } else { list }
        };
        say!("  features that matter: {}; not there: {}", has(true), has(false));
    }
    Ok(())
}
