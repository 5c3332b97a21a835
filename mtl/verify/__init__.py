"""`--job=verify`: is what a study says what follows from its logits, its logs and the labels that you have?

labels   a run's predictions again, from its published logits and your own label files
drops    its account of the drop rates again, from its losses
job      both, and every figure and table that follows
"""
