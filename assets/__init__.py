"""Dagster assets, one module per stage of the flow: each calls one library function."""
