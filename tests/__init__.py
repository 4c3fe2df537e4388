"""The tests; they mirror the packages, plus flows (whole journeys) and project (tests that grow by themselves)."""
