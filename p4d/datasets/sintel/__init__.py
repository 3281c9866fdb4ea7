"""MPI Sintel: rendered film with exact forward flow, depth and cameras, of non-rigid scenes."""
