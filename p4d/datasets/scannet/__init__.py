"""ScanNet: indoor scans with depth, poses and instances, as exported folders or `.sens` streams."""
