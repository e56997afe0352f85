"""How far rewards can be trusted, and which delta follows: one pass, every delta, a check."""
