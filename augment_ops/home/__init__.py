"""The home: pages on which people see champions, runs, policies, questions, drift and costs, and find the way on."""
