# shellcheck shell=bash
# Sourced by the shell parts of `make test`. A part calls check, pass, fail or
# skip once for each thing it looks at, and `finish` last.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PASSED=0 FAILED=0 SKIPPED=0
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

pass() { PASSED=$((PASSED + 1)); echo "ok $1"; }
fail() { FAILED=$((FAILED + 1)); echo "FAIL $1${2:+: $2}"; }
skip() { SKIPPED=$((SKIPPED + 1)); echo "SKIP $1: $2"; }

# What SPRAT_REQUIRE forbids to skip is a failure. For scripts that run by
# themselves; for the parts of `make test` scripts/run-tests does the same.
skip_if_allowed() { # skip_if_allowed NAME REASON
  case ",${SPRAT_REQUIRE:-}," in
  *,all,* | *,"${1%%/*}",* | *,"$1",*) fail "$1" "skipped: $2" ;;
  *) SKIPPED=$((SKIPPED + 1)); echo "SKIP $1: $2" ;;
  esac
}

# check NAME COMMAND...: passes when COMMAND does, else shows what it printed.
check() {
  local name=$1
  shift
  if "$@" >"$WORK/check.log" 2>&1; then
    pass "$name"
  else
    fail "$name"
    tail -n 60 "$WORK/check.log" | sed 's/^/    /'
  fi
}

finish() {
  echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
  [ "$FAILED" = 0 ]
  exit
}
