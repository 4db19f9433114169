"""The built-in chat's page, in the demonstration and in earnest, and what an operator's monitoring asks."""
