"""What happens to a model in production: monitored, alerted about, trained again."""
