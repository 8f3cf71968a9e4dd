#!/usr/bin/env bash
# Tests ./dev where it must not touch the system: help, wrong use, and a machine without packages or rights.
set -euo pipefail

dev=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home CAIRN_BUILD=$work/build
unset CAIRN_DEPS CAIRN_CUDA LIBTORCH_ROOT XDG_CACHE_HOME
failures=0

# expect NAME EXIT-CODE TEXT COMMAND…: the command ends with that code and says that text.
expect() {
  local name=$1 code=$2 text=$3 status=0 output
  shift 3
  output=$("$@" 2>&1 </dev/null) || status=$?
  if [[ $status != "$code" || $output != *"$text"* ]]; then
    printf 'FAILED: %s\n  exit code %s, wanted %s; wanted the text: %s\n%s\n' "$name" "$status" "$code" "$text" "$output"
    failures=$((failures + 1))
  else
    printf 'ok: %s\n' "$name"
  fi
}

# A machine of our own making: these programs and no others, with nothing installed. `tools` holds links to the real
# programs, so `stub` must replace a link and never write through it.
tools=$work/bin
mkdir "$tools"
for tool in bash env realpath dirname sed awk grep tail date mkdir xargs cut sha256sum sleep uname cat nproc; do
  ln -s "$(command -v "$tool")" "$tools/$tool"
done
stub() {
  rm -f "$tools/$1"
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$tools/$1"
  chmod +x "$tools/$1"
}
stub dpkg-query 'exit 1'
stub id 'echo 1000'
stub apt-get 'echo "apt-get was called: $*" >&2; exit 1'
# shellcheck disable=SC2317
on_bare_machine() { env PATH="$tools" "$@"; }

expect "help" 0 "usage: ./dev COMMAND" "$dev" help
expect "no command" 2 "usage: ./dev COMMAND" "$dev"
expect "unknown command" 2 "unknown command 'biuld'" "$dev" biuld
expect "no packages and no rights" 1 "Run as root:
  apt-get update && apt-get install -y --no-install-recommends g++ cmake" on_bare_machine "$dev" setup
stub sudo 'exit 1'
expect "sudo that asks without a terminal" 1 "needs root or sudo" on_bare_machine "$dev" run info
stub id 'echo 0'
expect "a failed step names itself and its log" 1 "step 'install Debian packages' failed" on_bare_machine "$dev" setup
expect "a failed step shows its last lines" 1 "    apt-get was called: update" on_bare_machine "$dev" setup
# shellcheck disable=SC2016
stub dpkg-query 'shift 3; for name; do echo "$name 1 install ok installed"; done'
expect "bad CAIRN_CUDA" 2 "CAIRN_CUDA must be ON or OFF, not 'maybe'" on_bare_machine env CAIRN_CUDA=maybe "$dev" build
expect "bad LIBTORCH_ROOT" 2 "there is no lib/libtorch_cpu.so in /nowhere" \
  on_bare_machine env CAIRN_CUDA=OFF LIBTORCH_ROOT=/nowhere "$dev" build
stub uname 'echo riscv64'
expect "no wheel for this processor" 1 "set LIBTORCH_ROOT to one for riscv64" on_bare_machine env CAIRN_CUDA=OFF "$dev" setup
[[ ! -e $HOME/.cache ]] || { echo "FAILED: ./dev wrote to the cache" && failures=$((failures + 1)); }

exit $((failures > 0))
