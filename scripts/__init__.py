"""Programs that make the environment: `setup.sh` installs it, `lock.py` writes what it installs.

Nothing here is imported by the library, and nothing here is part of its wheel.
"""
