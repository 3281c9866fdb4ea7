"""The Dagster UI of a project: what `python -m dagster_project ui` starts.

`services.py` starts a code server, the webserver and the daemon, and ends them together.
`guard.py` decides which requests reach the webserver: Dagster's own checks neither Host nor Origin,
and executes mutations by GET, so that any open web page could change the project.
`webserver.py` is the webserver behind this guard, `daemon.py` the daemon.
`switches.py` switches sensors and schedules. Read `guard.py` first.
"""
