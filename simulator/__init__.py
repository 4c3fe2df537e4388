"""A stand-in for the Microsoft cloud, served over HTTPS for tests, demos and training.

It answers as `power-platform-contract` describes and imports nothing of the project, so that the
clients and this stand-in cannot share a mistake (contract §19.5).
"""

import os

PARENT = os.getppid()  # asked before the slow imports, so that a parent that dies meanwhile is noticed
