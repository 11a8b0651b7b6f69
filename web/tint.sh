#!/usr/bin/env bash
# Has Tint, the WGSL compiler of Chromium, read every module that a browser can be given, and counts what it refuses. Needs Node and npm's package
# `webgpu` (Dawn's bindings); says SKIPPED where they cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

skip() {
    echo "SKIPPED ($1): modules are not read by Tint"
    exit 0
}
command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
# Kept from run to run: it is 130 MB.
package="${STEEPEST_WEBGPU:-target/webgpu}"
if [ ! -e "$package/node_modules/webgpu/index.js" ]; then
    mkdir -p "$package"
    npm install --no-save --no-audit --no-fund --ignore-scripts --prefix "$package" webgpu@0.6.2 >"$work/npm.log" 2>&1 || { tail -3 "$work/npm.log"; skip "npm cannot install webgpu"; }
fi

mkdir "$work/modules"
STEEPEST_MODULES="$work/modules" cargo test --locked ${STEEPEST_CARGO_FLAGS:-} --test it -- browser_modules::
node web/tint.mjs "$work/modules" "$package/node_modules/webgpu"
