"""The domain's tables, migrations and set-based statements."""
