"""Where versions are kept beside the cache, and how the cache is kept small.

- `push.py` uploads all recorded versions to a DVC remote and verifies them there;
- `private_remotes.py` holds which remotes may get files that must not leave otherwise;
- `fetch.py` brings what a command reads, in a clone that has no artifact;
- `gc.py` frees the cache of what no record names.
"""
