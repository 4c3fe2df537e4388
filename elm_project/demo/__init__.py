"""The demo: a whole installation on one machine, against the simulator, walked through by made-up people."""
