"""What counts as right: our verdict, and the one the paper's code would give. No model is asked."""
