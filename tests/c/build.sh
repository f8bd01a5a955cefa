# shellcheck shell=bash disable=SC2034
# Sourced by the parts 4x-c-*: how the programs of tests/c are compiled.

C=$ROOT/tests/c
WARN="-Wall -Wextra -Wpedantic -Werror"
C_FLAGS="-std=c11 -D_DEFAULT_SOURCE $WARN -O1 -g -I$ROOT/include -I$WORK"
ARCHIVE=$TARGET_DIR/release/libsprat.a
PRIVATE_LIBS=$(sed -n 's/^Libs.private: //p' "$TARGET_DIR/cmake/sprat.pc")
SHARED_LIBS="-L$TARGET_DIR/cmake -lsprat -Wl,-rpath,$TARGET_DIR/cmake"
SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
# What is shared by several programs, and what is only in the one of C.
COMMON=$C/common.c
ABI_TEST="$C/abi_test.c $C/test_config.c $C/test_ehc.c $C/test_ehc_sa.c $C/test_frames.c
  $C/test_ipsec.c $C/test_mote.c $C/test_packets.c $C/test_policies.c $C/test_refusals.c $C/test_sa.c"

# libs shared|static [ARCHIVE]
libs() {
  case $1 in
    shared) echo "$SHARED_LIBS" ;;
    static) echo "${2:-$ARCHIVE} $PRIVATE_LIBS" ;;
  esac
}

# build_c COMPILER OUTPUT LIBS FLAGS SOURCE...
build_c() {
  local compiler=$1 output=$2 link=$3 flags=$4
  shift 4
  # shellcheck disable=SC2086
  "$compiler" $C_FLAGS $flags "$@" $COMMON $link -o "$output"
}

# build_cxx COMPILER OUTPUT LIBS FLAGS
build_cxx() {
  # shellcheck disable=SC2086
  "$1" -std=c++11 $WARN -O1 -g -I"$ROOT/include" $4 "$C/abi_test.cpp" $3 -o "$2"
}

# The vectors as C headers in $WORK; false where there is no python3.
VECTORS="vectors ehc_vectors"
vectors_header() {
  have python3 && python3 -B "$C/vectors.py" "$ROOT/tests/vectors/esp.json" >"$WORK/vectors.h" &&
    python3 -B "$C/ehc_vectors.py" "$ROOT/tests/vectors/diet-esp.json" >"$WORK/ehc_vectors.h"
}

# Does this compiler link a program with sanitizers?
sanitizes() {
  # shellcheck disable=SC2086
  echo 'int main(void) { return 0; }' | "$1" $SANITIZE -x c - -o "$WORK/sanitizes" 2>/dev/null
}

ASAN_ARCHIVE=$TARGET_DIR/asan/x86_64-unknown-linux-gnu/debug/libsprat.a
# The archive with AddressSanitizer, overflow checks and debug assertions in the
# Rust code too. The flag wants a nightly compiler, or one told to act like it.
asan_archive() {
  [ "$(uname -m)" = x86_64 ] || return
  RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_PROFILE_DEV_OPT_LEVEL=1 \
    CARGO_PROFILE_DEV_DEBUG=line-tables-only "$ROOT/scripts/cargo" build --quiet --locked \
    -p libsprat --target x86_64-unknown-linux-gnu --target-dir "$TARGET_DIR/asan"
}
