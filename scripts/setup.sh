#!/usr/bin/env bash
# Makes .venv with everything p4d needs. Safe to run again; ends with the one thing to do if it cannot go on.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${1:-python3}"

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

[ -n "$python" ] || fail "no python3 found; install Python 3.11 and run again"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = 3.11 ] || fail "Python 3.11 is needed, $python is $version; run: make PYTHON=/path/to/python3.11 ..."

# Prints the prefix with which this user may install system packages, if there is one.
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
    echo "setup: Python comes without venv here; installing python3.11-venv"
    rm -rf .venv
    install python3.11-venv
    "$python" -m venv .venv || fail "venv still fails; see the message above"
  fi
fi

# torch first: asked for alone and exactly, pip takes a CPU wheel where one is at hand.
echo "setup: installing packages (a few minutes the first time)"
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --quiet "torch==2.13.0" || fail "pip could not install torch==2.13.0"
.venv/bin/python -m pip install --quiet --editable ".[dev]" || fail "pip could not install the packages of pyproject.toml"

# Rendering worlds needs an OpenGL library, with neither GPU nor display.
if ! .venv/bin/python -m p4d.worlds.gl >/dev/null 2>&1; then
  packages="libegl1 libgl1-mesa-dri libosmesa6"
  echo "setup: no OpenGL library for off-screen rendering; installing $packages"
  # shellcheck disable=SC2086  # one word per package
  install $packages
  .venv/bin/python -m p4d.worlds.gl || fail "rendering still fails; see the message above"
fi
echo "setup: ready"
