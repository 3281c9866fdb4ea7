"""Programs that make the environment: `setup.sh` installs it, `lock.py` writes what it installs.

`wheel_hook.py` is a part of the build. Nothing here is imported by the library. A wheel holds
`setup.sh` and the locks: a project of one's own gets the environment that its version was tested
with.
"""
