"""Tests of cameras, rays and flow."""
