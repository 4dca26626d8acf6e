"""Texts: short ones with a label, such as what a customer asks. uint8 (N, L): UTF-8, zeros after the end."""
