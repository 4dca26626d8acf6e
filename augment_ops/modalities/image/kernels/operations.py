"""Codes by which the compiled loops know colour operations and kinds of noise."""

# Codes of operations. Up to `LAST_TABLE` they are tables whatever the image.
LINEAR, GAMMA, SOLARIZE, POSTERIZE = 0, 1, 2, 3
LAST_TABLE = POSTERIZE
LINEAR_OF_MEAN, EQUALIZE, EQUALIZE_PIL, AUTOCONTRAST, JITTER, SHIFT_HSV, GRAY, SHUFFLE = range(4, 12)

# Loops that are compiled apart, in the order of their addresses.
SHIFT, WARP, COLOUR, LOOK, HSV, NOISE = range(6)

# Kinds of noise.
GAUSS, SALT, ISO, MULTIPLY = range(4)
