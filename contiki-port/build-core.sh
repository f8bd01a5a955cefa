#!/bin/bash
# build-core.sh --target T [--features "F G"] [--opt z|3]
#               [--core prebuilt|source] [--immediate-abort] [--builtins] --out FILE.a
#
# Builds the mote library, libsprat_mote.a, for the Rust target T. Rust's core
# library is the one that the toolchain has for T, else it is compiled from the
# toolchain's own sources, else from Debian's (rust-web-src); --core accepts only
# one kind. --immediate-abort leaves no panic code in core and in what is built
# over it; it needs the sources. The library takes memcpy, 64-bit shifts and their
# like from the firmware's C library and libgcc. Rust brings its own along, made for
# speed, and a linker would prefer them: --builtins leaves them in.
#
# Prints one line: kind of core library and compiler. Ends with 3 if there is no
# core library. MOTE_CORE=KIND is --core KIND. May be called from any makefile, in
# parallel as well; output goes to CARGO_TARGET_DIR, or target/ of this tree.
set -eu
# What a firmware's makefile exports is meant for its own compiler.
unset MAKEFLAGS MFLAGS MAKELEVEL GNUMAKEFLAGS CFLAGS CXXFLAGS CPPFLAGS ASFLAGS LDFLAGS LINKFLAGS
unset TARGET TARGET_ARCH BOARD CPU CC CXX AR AS LD NM OBJCOPY RANLIB
unset RUSTC RUSTFLAGS CARGO CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS
unset CARGO_PROFILE CARGO_BUILD_RUSTC RUSTC_WRAPPER RUSTC_BOOTSTRAP
here=$(cd "$(dirname "$0")" && pwd)

usage() {
  sed -n '2s/^# /usage: /p; 3s/^# //p' "$here/build-core.sh" >&2
  exit 2
}

target='' features='' opt=z abort='' builtins='' out=''
while [ $# -gt 0 ]; do
  case $1 in
  --immediate-abort) abort=1; shift; continue ;;
  --builtins) builtins=1; shift; continue ;;
  --*) [ $# -ge 2 ] || usage ;;
  esac
  case $1 in
  --target) target=$2 ;;
  --features) features=$2 ;;
  --opt) opt=$2 ;;
  --core) export MOTE_CORE=$2 ;;
  --out) out=$2 ;;
  *) usage ;;
  esac
  shift 2
done
[ -n "$target" ] && [ -n "$out" ] || usage
case ${MOTE_CORE:-source} in prebuilt | source) ;; *) usage ;; esac
case $opt in z | s | 2 | 3) ;; *) usage ;; esac
[ -z "$abort" ] || export MOTE_CORE=source
case $out in /*) ;; *) out=$PWD/$out ;; esac

# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"
cd "$ROOT"

if ! read -r kind cargo rustc < <(scripts/mote-toolchain "$target"); then
  echo "no ${MOTE_CORE:+$MOTE_CORE }core library for $target. What helps:" >&2
  case ${MOTE_CORE:-} in
  source) echo "  rustup component add rust-src" >&2 ;;
  *) echo "  rustup target add $target" >&2 ;;
  esac
  [ "${MOTE_CORE:-}" = prebuilt ] || echo "  or apt-get install rustc-web cargo-web rust-web-src" >&2
  exit 3
fi

# No part of the build machine's paths belongs into a firmware; the small form of
# AES does; and the width of its words must not depend on who builds.
flags="--remap-path-prefix=$ROOT=."
# The small form of AES; where speed is asked for, its S-box inlined into each round.
case $opt in
3) flags+=" -C llvm-args=-inline-threshold=600" ;;
*) flags+=" --cfg aes_compact" ;;
esac
environment=() std=() profile=()
if [ "$kind" = source ]; then
  std=(-Zbuild-std=core)
  environment=(RUSTC_BOOTSTRAP=1)
fi
if [ -n "$abort" ]; then
  flags+=" -Zunstable-options -Cpanic=immediate-abort"
fi
case $opt in
z) ;;
s) profile=(--config 'profile.mote.opt-level="s"') ;;
*) profile=(--config "profile.mote.opt-level=$opt") ;;
esac

dir=$TARGET_DIR/mote/$kind-$opt${abort:+-abort}
mkdir -p "$dir" "$(dirname "$out")"
# Another feature set may be under way to the same file.
exec 9>"$dir/.lock-$target"
flock 9
# Called from the root, since cargo heeds the configuration of every directory
# above: this tree may lie in that of a system which patches crates of its own.
(
  cd /
  exec env RUSTC="$rustc" RUSTFLAGS="$flags" "${environment[@]}" "$cargo" build --quiet --locked \
    --manifest-path "$ROOT/Cargo.toml" \
    -p libsprat-mote --no-default-features --features "$features" --profile mote \
    --target "$target" --target-dir "$dir" "${std[@]}" "${profile[@]}" 9>&-
)
cp "$dir/$target/mote/libsprat_mote.a" "$out.$$"
if [ -z "$builtins" ]; then
  # All but the crate's own object and what of core is not in there.
  ar t "$out.$$" | grep -vE '^(sprat_mote|core)-' | xargs ar d "$out.$$"
fi
mv -f "$out.$$" "$out"
echo "core library: $kind, $("$rustc" --version)"
