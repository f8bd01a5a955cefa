# shellcheck shell=bash
# Sourced by what runs rust/mote-bench on an emulated Cortex-M3, after lib.sh.

IMAGE=rust/mote-bench
IMAGE_TARGET=thumbv7m-none-eabi

# Finds tools and core library, or ends with 3. Leaves `kind`.
image_tools() {
  local tool
  for tool in arm-none-eabi-gcc qemu-system-arm; do
    have "$tool" || { echo "no $tool" >&2; exit 3; }
  done
  read -r kind image_cargo image_rustc < <(scripts/mote-toolchain "$IMAGE_TARGET") || {
    echo "no core library for $IMAGE_TARGET" >&2
    exit 3
  }
  echo "core library: $kind, $("$image_rustc" --version)"
}

# image_run BIN PROFILE [FLAG...]: builds the program, runs it, ends as it ends.
image_run() {
  local bin=$1 profile=$2 dir=$TARGET_DIR/mote-bench/$kind std=() environment=()
  shift 2
  if [ "$kind" = source ]; then
    std=(-Zbuild-std=core)
    environment=(RUSTC_BOOTSTRAP=1)
  fi
  local flags="-C linker=arm-none-eabi-gcc -C link-arg=-mcpu=cortex-m3 -C link-arg=-mthumb"
  flags+=" -C link-arg=-nostdlib -C link-arg=-T$ROOT/$IMAGE/link.ld"
  flags+=" --remap-path-prefix=$ROOT=. --cfg aes_backend_soft=\"compact\" --cfg cpubits=\"32\""
  env RUSTC="$image_rustc" RUSTFLAGS="$flags" "${environment[@]}" "$image_cargo" build --quiet --locked \
    --manifest-path "$IMAGE/Cargo.toml" --bin "$bin" --profile "$profile" --target "$IMAGE_TARGET" \
    --target-dir "$dir" "${std[@]}" "$@" || return
  # One instruction is 2^6 ns of the emulated clock, however long it takes.
  timeout 300 qemu-system-arm -machine mps2-an385 -display none -monitor none -serial none \
    -chardev stdio,id=host -semihosting-config enable=on,target=native,chardev=host \
    -icount shift=6,align=off,sleep=off \
    -kernel "$dir/$IMAGE_TARGET/$profile/$bin" </dev/null
}
