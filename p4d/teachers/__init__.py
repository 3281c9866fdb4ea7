"""Teachers: the expert network, its training, and the dense labels teachers write for clips."""
