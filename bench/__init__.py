"""How fast duban is, as ratios to bare statements, bare clients and bare imports measured in the same run."""
