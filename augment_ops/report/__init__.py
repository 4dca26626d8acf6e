"""The page an ML lead decides from, and the pictures that are logged beside it."""
