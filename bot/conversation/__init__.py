"""From a message to what was meant, to what may be done, to an answer."""
