"""Per-task losses and gradients in one pass, exact ones at the parameters, and what a method gets to see."""
