#!/usr/bin/env bash
# Builds the playground into web/dist, one folder to serve: WebAssembly, its bindings for JavaScript and TypeScript, and the page; and the npm package
# into web/dist-npm, for `npm pack` and `npm publish`.
#
# Needs Rust with wasm32-unknown-unknown (see toolchain.sh) and wasm-bindgen's program; wasm-opt makes the file smaller where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=toolchain.sh
source web/toolchain.sh
needs_wasm_bindgen "web/dist is not built"
rm -rf web/dist
mkdir -p web/dist
cp web/page/* web/dist/
# make FOLDER [FLAGS]: the module and its bindings.
make() {
    local folder="$1" file="$1/steepest_web_bg.wasm"
    shift
    "${wasm_cargo[@]}" build --locked --release --lib --target "$target" --target-dir target --manifest-path web/Cargo.toml "$@"
    wasm-bindgen --target web --out-dir "$folder" "target/$target/release/steepest_web.wasm"
    if command -v wasm-opt >/dev/null; then
        wasm-opt -O2 "$file" -o "$folder/small.wasm"
        mv "$folder/small.wasm" "$file"
    fi
    echo "$folder: $(stat -c %s "$file") bytes of WebAssembly, $(gzip -9 -c "$file" | wc -c) gzipped"
}
# The one that can verify is loaded only when that is asked for.
make web/dist/pkg
make web/dist/verify --features verify
rm -rf web/dist-npm
mkdir -p web/dist-npm
cp web/dist/pkg/*.js web/dist/pkg/*.ts web/dist/pkg/*.wasm web/package/README.md LICENSE-MIT LICENSE-APACHE web/dist-npm/
sed "s/VERSION/$(sed -n 's/^version = "\(.*\)"/\1/p' web/Cargo.toml)/" web/package/package.json >web/dist-npm/package.json
echo "serve it with: python3 -m http.server --directory web/dist"
