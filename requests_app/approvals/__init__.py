"""What those who decide work with: the queue across their units, the decision brief, decisions on several at once."""
