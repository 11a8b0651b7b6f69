# Where WebAssembly is compiled: sourced by the scripts beside it. Sets `wasm_cargo`, the command to which `build ...` is added.
#
# Best is `rustup target add wasm32-unknown-unknown`. Without it Debian's packages rustc-web, cargo-web, rust-web-src and lld-22 do: they bring the
# standard library as source, which is compiled with the rest.
target=wasm32-unknown-unknown
if [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target" ]; then
    wasm_cargo=(env "RUSTFLAGS=-C target-feature=+simd128" cargo)
elif [ -x /usr/share/cargo/bin/cargo ] && [ -x /usr/bin/rustc ] && command -v wasm-ld-22 >/dev/null; then
    # Its cargo calls the rustc of the same version.
    wasm_cargo=(env PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 "RUSTFLAGS=-C target-feature=+simd128" /usr/bin/cargo
        --config "target.$target.linker=\"wasm-ld-22\"" -Zbuild-std=std,panic_abort)
else
    echo "SKIPPED (no target $target: rustup target add $target, or Debian's rustc-web, cargo-web, rust-web-src and lld-22)"
    exit 0
fi
# wasm-opt of npm's package, where setup.sh has installed it.
if ! command -v wasm-opt >/dev/null && [ -x target/binaryen/node_modules/.bin/wasm-opt ]; then
    PATH="$PWD/target/binaryen/node_modules/.bin:$PATH"
fi

# wasm-bindgen's program must be of the library's own version. Without it the script ends, saying what is not done.
needs_wasm_bindgen() {
    local version
    version="$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' web/Cargo.lock)"
    if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
        echo "SKIPPED (no wasm-bindgen $version: web/setup.sh, or cargo install wasm-bindgen-cli --version $version): $1"
        exit 0
    fi
}
