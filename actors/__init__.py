"""The shell of one call: an activation folds events through `decide`, commits the result, then runs the effects.

Reading order: `loop_actor` (a pykka actor on an event loop), `messages`, `buffer` and `fold`, `call_actor`; then what
runs the effects: `lanes`, `commands` (the carrier), `speaker` and `prefetch` (TTS), `agent_runner`; then `listener`
(STT), `timers`.
"""
