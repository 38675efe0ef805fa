"""One phone call, as a pure state machine.

`decide(call, event) -> (call, effects)`: no clock, no I/O, no randomness. Read in this order: `ids`, `events`,
`effects`, `state`, then `control` (the leg), `turns` (the floor), `recovery`, and last `decide`, which only routes.
"""
