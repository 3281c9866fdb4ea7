"""Geometry: cameras, rays, flow and map grids in one set of conventions.

Read CONVENTIONS.md first: axes, frames, units and signs that every array of the project follows.
`cameras.py` has pinhole cameras and rigid transforms, `rays.py` Pluecker rays, `flow.py` exact flow
and motion of rigid scenes, `map_grid.py` maps sampled from pictures of another size. Functions take
and return numpy arrays; nothing here reads files or estimates from pictures.
"""
