"""Evaluation: answers, statistics, comparisons and the promotion of a champion."""
