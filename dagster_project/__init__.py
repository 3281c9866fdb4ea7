"""The Dagster code location: when and where stages run, and what its UI shows. See README.md."""
