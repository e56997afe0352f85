"""Which delta: one pass of draft and PRM, every delta estimated from it, the choice checked."""
