#!/usr/bin/env bash
# usage: setup.sh PYTHON FOLDER run|dev [WHAT PIP INSTALLS AS P4D; default: this checkout, editable]
# Makes the virtual environment FOLDER from the locks of requirements/. `run` is what every stage, labels and
# evaluations need; `dev` adds tests, types and style. It can be run again; on failure it prints the way out.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${1:-python3}" venv="${2:-.venv}" level="${3:-dev}"
own=("${@:4}")
[ ${#own[@]} -gt 0 ] || own=(--editable .)

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
say() { printf 'setup: %s\n' "$*"; }

[ -n "$python" ] || fail "no python3 found; install Python 3.11, 3.12 or 3.13 and run again"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') ||
  fail "$python does not run; run: make PYTHON=/path/to/python3.12 ..."
case "$version" in
  3.11 | 3.12 | 3.13) ;;
  *) fail "Python 3.11, 3.12 or 3.13 is needed, $python is $version; run: make PYTHON=/path/to/python3.12 ..." ;;
esac
# The interpreter outside of any virtual environment: $venv itself may be made again.
python=$("$python" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))')

# Prints the command prefix with which this user can install system packages; fails if there is none.
as_root() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo "sudo"
}
install() {
  local prefix
  prefix=$(as_root) || return 1
  $prefix apt-get update -qq >/dev/null &&
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  say "creating $venv with Python $version"
  rm -rf "$venv"
  if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    say "this Python has no venv module; installing python$version-venv"
    rm -rf "$venv"
    install "python$version-venv" || fail "run this once, then again: sudo apt-get install -y python$version-venv"
    "$python" -m venv "$venv" || fail "venv still fails; see the message above"
  fi
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
pip() { "$venv/bin/python" -m pip "$@"; }
# The locks hold all that is needed, so pip resolves nothing; whatever has another hash is refused.
locked() { pip install --quiet --require-hashes --no-deps "$@"; }
torch() { "$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true; }

# The build of torch that P4D_TORCH asks for: cpu, cuda, or auto (the default).
torch_index=()
[ -z "${P4D_TORCH_INDEX:-}" ] || torch_index=(--extra-index-url "$P4D_TORCH_INDEX")
torch_cpu() { locked --only-binary :all: "${torch_index[@]+"${torch_index[@]}"}" -r requirements/torch-cpu.txt; }
torch_cuda() {
  say "installing torch for CUDA (2.6 GB to load; without a GPU: P4D_TORCH=cpu make setup, see requirements/README.md)"
  locked --only-binary :all: -r requirements/torch-cuda.txt || fail "pip could not install requirements/torch-cuda.txt"
}
no_cpu_wheel="pip finds no CPU wheel of torch; set P4D_TORCH_INDEX to the index of CPU wheels (requirements/README.md)"
install_torch() {
  local build="${P4D_TORCH:-auto}" present had="" wanted errors
  case "$build" in cpu | cuda | auto) ;; *) fail "P4D_TORCH is '$build'; it may be cpu, cuda or auto" ;; esac
  wanted=$(sed -n 's/^torch==\([^ ]*\).*/\1/p' requirements/torch-cuda.txt)
  present=$(torch)
  [ -z "$present" ] || had=$(build_of "$present")
  [ "$build" != auto ] || build="${had:-auto}"
  [ -z "$had" ] || [ "$build" = "$had" ] ||
    fail "$venv has torch $present; to change its build, remove the folder and run again"
  [ "${present%%+*}" != "$wanted" ] || return 0
  case "$build" in
    cuda) torch_cuda ;;
    cpu) torch_cpu || fail "$no_cpu_wheel" ;;
    auto)
      if nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then torch_cuda; return; fi
      say "installing torch for CPUs (190 MB to load)"
      # Only a missing wheel leads to the other build; a wrong hash ends here. Under a constraint of the
      # user, pip calls a missing wheel a conflict.
      errors=$(torch_cpu 2>&1) && return
      grep -Eq 'No matching distribution found|ResolutionImpossible' <<<"$errors" || fail "$errors"
      say "$no_cpu_wheel"
      torch_cuda
      ;;
  esac
}
# macOS has one build, which is for CPUs and says so nowhere.
build_of() { case "$(uname):$1" in Darwin:* | *+cpu) echo cpu ;; *) echo cuda ;; esac }

files=(requirements/build.txt requirements/run.txt)
[ "$level" = run ] || files+=(requirements/dev.txt)
locked --only-binary :all: -r requirements/build.txt || fail "pip could not install requirements/build.txt"
install_torch
say "installing the packages for '$level' (a few minutes the first time)"
# jsonpath-rw (of mlcroissant) has no wheel: it is built by the setuptools that build.txt has brought.
# shellcheck disable=SC2046
locked --only-binary :all: --no-binary jsonpath-rw --no-build-isolation $(printf -- '-r %s ' "${files[@]}") ||
  fail "pip could not install the locked packages; see the message above"
pip install --quiet --no-deps --no-build-isolation "${own[@]}" || fail "pip could not install p4d itself"
pip check >/dev/null || fail "the locks do not fit together: $(pip check 2>&1 | head -3)"

# What this environment was made from. Each ledger line names it by SHA-256.
cat "${files[@]}" "requirements/torch-$(build_of "$(torch)").txt" >"$venv/p4d-lock.txt"

# Rendering worlds needs an OpenGL library, but no GPU and no display. Nothing else needs it.
if ! "$venv/bin/python" -m p4d.worlds.gl >/dev/null 2>&1; then
  packages="libegl1 libgl1-mesa-dri libosmesa6"
  say "no OpenGL library for off-screen rendering; installing $packages"
  # shellcheck disable=SC2086  # one word per package
  install $packages || say "they could not be installed"
  "$venv/bin/python" -m p4d.worlds.gl ||
    say "simulated worlds (make demo, p4d world) cannot be rendered here; all else works"
fi
say "ready ($level)"
