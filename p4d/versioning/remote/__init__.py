"""Computing a stage on a machine that shares nothing but the object store (the DVC remote).

- `object_store.py`: objects by their MD5 and small records by name, at any address that DVC knows;
- `task.py`: what a worker is given, and what it answers, as plain JSON;
- `worker.py`: takes inputs by hash, runs the stage, puts the result there by hash. Holds no state;
- `run_folder.py`: what one run keeps there for other machines, such as checkpoints;
- `drive.py`: sends inputs that the store lacks, looks a result up or has it computed, fetches it.

Knows no engine: who carries a task to a worker (a process, Ray) is in `p4d/compute`. Publishing
stays with `versioning/run`, on one machine. Read `task.py` first.
"""
