"""Tests of simulated worlds and their truth."""
