"""Public benchmarks, read from their own files in a local folder into one kind of item."""
