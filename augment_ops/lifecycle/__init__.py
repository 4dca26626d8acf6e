"""What becomes of policies and models: proposed, approved, champion, rolled back, revoked."""
