"""What several kinds of tests build on: places, policies, people and their keys, servers of one's own.

Fixtures are in the `conftest.py` nearest to whoever uses them; here is what is imported by name.
"""
