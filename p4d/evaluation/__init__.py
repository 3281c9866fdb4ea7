"""Evaluation: answers, scores, comparisons and the promotion of a champion; see README.md."""
