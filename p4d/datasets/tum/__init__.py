"""The TUM RGB-D layout, which SLAM tools write, and the Bonn dataset in the same layout."""
