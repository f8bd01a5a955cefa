# shellcheck shell=bash
# Sourced by every script: where the tree is, where output goes, which cargo.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
case $TARGET_DIR in /*) ;; *) TARGET_DIR=$PWD/$TARGET_DIR ;; esac
export CARGO_TARGET_DIR=$TARGET_DIR
# Cargo must not look for the jobserver of the make that called us.
unset MAKEFLAGS MFLAGS MAKELEVEL

RUST_VERSION=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")

have() { command -v "$1" >/dev/null 2>&1; }

# version_at_least HAVE WANT
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Is "$1" a cargo of the version that Cargo.toml asks for?
cargo_is_new_enough() {
  local v
  v=$("$1" --version 2>/dev/null | cut -d' ' -f2) || return 1
  [ -n "$v" ] && version_at_least "$v" "$RUST_VERSION"
}

# Puts the first good enough cargo, with the rustc beside it, first on PATH:
# the user's own, then rustup's, then Debian's.
use_cargo() {
  local c
  for c in "$(command -v cargo || true)" "$HOME/.cargo/bin/cargo" /usr/bin/cargo; do
    if [ -n "$c" ] && [ -x "$c" ] && cargo_is_new_enough "$c"; then
      PATH=$(dirname "$c"):$PATH
      export PATH
      return 0
    fi
  done
  return 1
}

# Prints a python3 that has the module "$1": Debian's modules are only in
# Debian's python3, which need not be the first on PATH.
python_with() {
  local p
  for p in "$(command -v python3 || true)" /usr/bin/python3; do
    if [ -x "$p" ] && "$p" -c \
      'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)' "$1"; then
      echo "$p"
      return 0
    fi
  done
  return 1
}
