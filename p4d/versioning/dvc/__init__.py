"""DVC on disk, without importing DVC: dvc.yaml, dvc.lock, the cache, locks and configuration.

One module per file or folder of DVC's. Formats are written by hand, as importing DVC costs most of
a second, and `dvc commit` would record the inputs as they are afterwards; tests compare every byte
with the real DVC. What is decided from these files is in `state/`.
"""
