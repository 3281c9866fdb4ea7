"""The Dagster code location: when and where stages run, and what its UI shows. See README.md."""

from p4d.compute.threads import wait_without_spinning

wait_without_spinning()
