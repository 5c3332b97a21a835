"""Who trains the runs of a study, where, and in what order.

queue   every run once: what it needs comes before it, what another process trains is waited for, or left
local   this process, or several on this machine
on_ray  a Ray cluster, a task per run
shards  a part of the runs for each of several commands
"""

LAUNCHERS = ("local", "ray")
