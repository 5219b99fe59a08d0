"""What the commands know and read of an account. Nothing here runs in Lambda, and nothing here changes anything."""
