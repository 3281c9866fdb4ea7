"""Many machines on one: real servers, a Ray cluster of several nodes, and what is measured on them.

- `servers.py`: object storage and PostgreSQL, as processes that can be killed;
- `local_ray.py`: nodes that share nothing but the network;
- `farm.py`: a checkout whose stages run on those nodes;
- `demo.py`: `make cluster-demo`, and the costs per task;
- `people.py`: several processes on one Dagster instance;
- `kills.py`: everything killed at random, and the end compared with an undisturbed run.

`python -m benchmarks.cluster demo|kills|postgres`; figures go to `results/scale.json`.
"""
