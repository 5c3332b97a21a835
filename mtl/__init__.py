"""Multi-task learning of face attributes as pure functions: data, model, step, DST, study."""
