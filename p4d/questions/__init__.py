"""From masks to facts to balanced multiple-choice questions."""
