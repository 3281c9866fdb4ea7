"""DVC's files, read and written without importing DVC, and held against the real DVC by tests.

- `pipeline_file.py`: the text of `dvc.yaml`, and the paths and commands of artifacts;
- `code_folder.py`: the code of a stage as one folder of links, and the earlier form of entries;
- `lock_file.py`: the entries of `dvc.lock`, spliced one at a time;
- `cache.py`: the cache of versions, DVC's locks and the initialisation of a repository;
- `config.py`: DVC's settings, at all its levels;
- `shared_cache.py`: which projects use a cache outside of them;
- `site_cache.py`: the private folder of DVC's state.

All that knows a format of DVC belongs here; `storage/push.py` alone imports DVC, for its remotes.
"""
