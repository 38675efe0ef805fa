"""One phone call, as a pure state machine.

`decide(call, event) -> (call, effects)`: no clock, no I/O, no randomness. Read in this order: `ids`, `events`,
`effects`, `state`, `step`, then `leg`, `turns` (who speaks), `playback`, `recovery` (fail-over), and last `decide`,
which only routes.
"""
