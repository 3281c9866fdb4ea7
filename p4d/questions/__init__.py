"""Regions, facts and questions of clips. README.md explains them."""
