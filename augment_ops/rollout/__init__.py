"""Rollouts: a challenger beside the champion, step by step, judged while it answers."""
