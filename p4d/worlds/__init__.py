"""Simulated 4D worlds with exact truth: videos whose depth, flow, motion and poses are known."""
