"""What starts before it is known to be needed: look-ahead and hedge. Never changes an answer."""
