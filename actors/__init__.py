"""The shell of one call: an activation that folds events through `decide`, commits, and only then acts.

Read in this order: `loop_actor` (a pykka actor without a thread), `fold`, `call_actor`, then what a call does in the
world: `lanes`, `commands` (the carrier), `voice`, `words` (the agent), `media_pump` (the ears), `timers`.
"""
