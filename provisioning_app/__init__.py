"""How a yes becomes an environment: the register, durable runs, their steps and gaps."""
