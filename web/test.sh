#!/usr/bin/env bash
# What the library does in WebAssembly: compiles it without a warning, uses the page, trains in Node and in headless Chromium and compares the losses with native
# ones, and has Chromium's compiler read every module. What cannot be done here says SKIPPED.
set -euo pipefail
cd "$(dirname "$0")/.."
web/tint.sh
source web/toolchain.sh
work=target/web
losses() { "${wasm_cargo[@]}" "$1" --locked --release --target "$target" --target-dir target --manifest-path web/losses/Cargo.toml; }

# The library alone, without the GPU and with it. What warns fails.
for features in --no-default-features ""; do
    # shellcheck disable=SC2086
    "${wasm_cargo[@]}" check --locked --release --target "$target" --lib $features 2>&1 | tee "target/wasm.log"
    if grep -q '^warning' target/wasm.log; then echo "FAILED: warnings"; exit 1; fi
done
losses build

# wasm-bindgen's program must be of the library's own version.
version="$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' web/losses/Cargo.lock)"
if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
    echo "SKIPPED (no wasm-bindgen $version: cargo install wasm-bindgen-cli --version $version): nothing is trained in Node and in a browser"
    exit 0
fi
command -v node >/dev/null || { echo "SKIPPED (no Node): nothing is trained in Node and in a browser"; exit 0; }
rm -rf "$work"
for kind in nodejs web; do
    wasm-bindgen --target "$kind" --out-dir "$work/$kind" "target/$target/release/losses.wasm"
done
cp web/losses/page.html "$work/web/"
ls -l "$work/web/losses_bg.wasm"
node web/node.mjs "$work/nodejs" web/losses/losses.txt
node web/chromium.mjs "$work/web" web/losses/losses.txt

# The page, used as a person would.
web/build.sh
node web/views.mjs web/dist
