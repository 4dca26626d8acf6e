"""Ways to measure that two samples differ: one method a file, with its formula, source and example.

A detector measures and does not judge (`augment_ops.monitoring.drift.verdict` does). Each gives an effect, whose size
says whether a change matters, and a p-value, which says whether it could be chance: with a million rows every
difference is significant, and with two hundred every effect is noise, so an alarm needs both.
"""
