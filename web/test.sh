#!/usr/bin/env bash
# What the library does in WebAssembly: has Chromium's compiler read every module, compiles the library without a warning, checks every op in Node,
# trains in Node and in headless Chromium and compares the losses with native ones, verifies WebGPU, uses the npm package, and uses the page as a person
# would.
# What cannot be done here says SKIPPED. The last line is how many checks passed and failed; `web/setup.sh` installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p target/web
log="$(mktemp)"
# However it ends, the last line is the count.
trap 'status=$?; awk "/^[0-9]+ checks passed, [0-9]+ failed\$/ { p += \$1; f += \$4 } END { print p + 0 \" checks passed, \" f + 0 \" failed\" }" "$log"; rm -f "$log"; exit $status' EXIT
# Runs a program and keeps what it printed.
run() { "$@" 2>&1 | tee -a "$log"; }
skip() {
    echo "SKIPPED ($1): $2"
    exit 0
}

run web/tint.sh
source web/toolchain.sh

# The library alone, without the GPU and with it. What warns fails.
for features in --no-default-features ""; do
    # shellcheck disable=SC2086
    "${wasm_cargo[@]}" check --locked --release --target "$target" --target-dir target --lib $features 2>&1 | tee target/web/check.log
    if grep -q '^warning' target/web/check.log; then echo "FAILED: warnings"; exit 1; fi
done

needs_wasm_bindgen "nothing is trained in Node and in a browser"
command -v node >/dev/null || skip "no Node" "nothing is trained in Node and in a browser"

"${wasm_cargo[@]}" build --locked --release --target "$target" --target-dir target --manifest-path web/Cargo.toml -p losses
for kind in nodejs web; do
    rm -rf "target/web/$kind"
    wasm-bindgen --target "$kind" --out-dir "target/web/$kind" "target/$target/release/losses.wasm"
done
cp web/losses/*.html target/web/web/
run node web/node.mjs target/web/nodejs web/losses/losses.txt
run node web/chromium.mjs target/web/web web/losses/losses.txt
# The whole of `steepest verify` on WebGPU; STEEPEST_VERIFY names a family, which is sooner done.
run node web/verify.mjs target/web/web "${STEEPEST_VERIFY:-}"

# The package and the page.
run web/build.sh
run node web/package/package.mjs web/dist-npm web/tests/files/fitted_natively.safetensors target/web/fitted_in_a_page.safetensors
run node web/views.mjs web/dist
