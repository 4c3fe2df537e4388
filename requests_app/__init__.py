"""What was asked for: the environment request, its classification, and everything that can happen to it."""
