#!/usr/bin/env bash
# Installs what building and testing for a browser needs, where this machine may: WebAssembly's Rust and Chromium by Debian's packages (as root),
# wasm-bindgen's program by cargo, wasm-opt by npm. Elsewhere it says what is missing, and the other scripts say SKIPPED.
set -uo pipefail
cd "$(dirname "$0")/.."

missing() { echo "missing ($1): $2"; }

# Rust's own toolchain needs no package: `rustup target add wasm32-unknown-unknown`.
wanted=()
[ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/wasm32-unknown-unknown" ] || wanted+=(rustc-web cargo-web rust-web-src lld-22)
command -v node >/dev/null || wanted+=(nodejs)
command -v npm >/dev/null || wanted+=(npm)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || wanted+=(chromium)
absent=()
for package in "${wanted[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || absent+=("$package")
done
if [ ${#absent[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # One by one: one that this Debian has not does not keep the others away.
        for package in "${absent[@]}"; do
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null || missing "$package" "no such Debian package"
        done
    else
        missing "${absent[*]}" "Debian's packages, or another way to have them"
    fi
fi

# The program must be of the library's own version. Built without much optimisation: it runs for seconds, and would be built for minutes.
version="$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' web/Cargo.lock)"
if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo install --quiet wasm-bindgen-cli --version "$version" --force || missing wasm-bindgen "cargo cannot install it"
fi
if ! command -v wasm-opt >/dev/null && [ ! -x target/binaryen/node_modules/.bin/wasm-opt ] && command -v npm >/dev/null; then
    mkdir -p target/binaryen
    npm install --no-save --no-audit --no-fund --ignore-scripts --silent --prefix target/binaryen binaryen@132.0.0 || missing wasm-opt "npm cannot install binaryen"
fi
exit 0
