"""What the commands have in common: their flags, how they fail, how what they found looks."""
