#!/usr/bin/env bash
# Creates .venv with everything that p4d needs. It can be run again; on failure it prints the one command to run.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${1:-python3}"

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

[ -n "$python" ] || fail "no python3 found; install Python 3.11 and run again"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = 3.11 ] || fail "Python 3.11 is needed, $python is $version; run: make PYTHON=/path/to/python3.11 ..."

# Prints the command prefix with which this user can install system packages; fails if there is none.
as_root() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo "sudo"
}
install() {
  local prefix
  prefix=$(as_root) || fail "run this once, then again: sudo apt-get install -y $*"
  { $prefix apt-get update -qq && $prefix env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"; } \
    >/dev/null || fail "could not install them; run: apt-get install -y $*"
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  echo "setup: creating .venv"
  rm -rf .venv
  if ! "$python" -m venv .venv >/dev/null 2>&1; then
    echo "setup: this Python has no venv module; installing python3.11-venv"
    rm -rf .venv
    install python3.11-venv
    "$python" -m venv .venv || fail "venv still fails; see the message above"
  fi
fi

# torch first: requested alone and with an exact version, pip takes a CPU wheel if one is available.
echo "setup: installing packages (a few minutes the first time)"
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --quiet "torch==2.13.0" || fail "pip could not install torch==2.13.0"
.venv/bin/python -m pip install --quiet --editable ".[dev]" || fail "pip could not install the packages of pyproject.toml"

# Rendering worlds needs an OpenGL library, but no GPU and no display.
if ! .venv/bin/python -m p4d.worlds.gl >/dev/null 2>&1; then
  packages="libegl1 libgl1-mesa-dri libosmesa6"
  echo "setup: no OpenGL library for off-screen rendering; installing $packages"
  # shellcheck disable=SC2086  # one word per package
  install $packages
  .venv/bin/python -m p4d.worlds.gl || fail "rendering still fails; see the message above"
fi
echo "setup: ready"
