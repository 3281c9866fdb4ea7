"""The Dagster code location: when and where stages run, and what its UI shows. See README.md."""

from p4d.compute.freed_memory import keep_freed_memory
from p4d.compute.threads import wait_without_spinning

wait_without_spinning()
keep_freed_memory()
