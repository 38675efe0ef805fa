"""The shell of one call: a pykka actor, its lanes, timers and media pump."""
