"""Tables: rows of numbers and categories, such as transactions. float64 (N, F), NaN for what is missing."""
