"""How our processes end: when they are asked to, and with their parent."""
