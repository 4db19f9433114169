"""The middle's tables and statements."""
