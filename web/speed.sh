#!/usr/bin/env bash
# Times four trainings beside TensorFlow.js, on the CPU and on WebGPU, in Node and in one page of headless Chromium, and looks whether memory stays as it is
# over 10,000 steps. TensorFlow.js is installed into target/tfjs by npm. What cannot be done here says SKIPPED.
#
# SPEED_SECONDS (4) is how long each engine is timed per training, SPEED_STEPS (10000) over how many steps memory is looked at, SPEED_ONLY (all) which
# trainings are timed: mlp_b64,linreg_b16. With NATIVE=1 the same trainings are timed natively on one thread too, which builds examples/peer.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=toolchain.sh
source web/toolchain.sh
work=target/speed
tfjs=4.22.0
command -v node >/dev/null || { echo "SKIPPED (no Node): nothing is timed"; exit 0; }
needs_wasm_bindgen "nothing is timed"
mkdir -p target/tfjs
if [ ! -d target/tfjs/node_modules/@tensorflow/tfjs-backend-webgpu ] &&
    ! npm install --prefix target/tfjs --no-audit --no-fund --ignore-scripts \
        "@tensorflow/tfjs@$tfjs" "@tensorflow/tfjs-backend-webgpu@$tfjs" "@tensorflow/tfjs-backend-wasm@$tfjs" >target/tfjs/npm.log 2>&1; then
    echo "SKIPPED (npm cannot install TensorFlow.js, see target/tfjs/npm.log): nothing is timed"
    exit 0
fi
"${wasm_cargo[@]}" build --locked --release --target "$target" --target-dir target --manifest-path web/Cargo.toml --package speed
rm -rf "$work"
for kind in nodejs web; do
    wasm-bindgen --target "$kind" --out-dir "$work/$kind" "target/$target/release/speed.wasm"
done
native=()
if [ "${NATIVE:-0}" = 1 ]; then
    cargo build --locked --release --example peer
    native=(target/release/examples/peer --device cpu)
fi
node web/speed/run.mjs "$work" target/tfjs/node_modules "${native[@]}"
