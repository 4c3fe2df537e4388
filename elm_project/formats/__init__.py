"""How dates and times are written: for people who compare them with a log."""
