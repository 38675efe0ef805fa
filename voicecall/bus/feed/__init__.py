"""The live feed of commits: complete and in order, although pub/sub may lose messages.

Read in this order: `wire` (what an item is, and its bytes), `follower` (one reader, and the stream it falls back on),
`feed` (the subscription that serves all readers of a process).
"""
