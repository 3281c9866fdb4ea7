"""Where versions are kept beside the cache, and how the cache is kept small.

- `push.py` uploads all recorded versions to a DVC remote and verifies them there;
- `gc.py` frees the cache of what no record names.
"""
