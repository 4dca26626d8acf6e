"""A champion gives way to a better version step by step, by rules, or goes on alone."""
