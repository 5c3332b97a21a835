"""`--job=plan`: what a study takes and what it can find, before it runs.

pace    how long a run will take on this machine, from a few of its steps
job     that, the number of runs, and the gain that the statistics will find
"""
