"""Random worlds of people, grants and requests, and an oracle in plain Python that says who sees what in them."""
