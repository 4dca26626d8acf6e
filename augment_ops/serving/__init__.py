"""A champion answers over HTTP: what is served, by which rules, and what is kept of it."""
