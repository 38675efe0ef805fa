"""Reports of ended calls: what they say, what a model fills in, what they cost, and how they are delivered.

Read in this order: `cost`, `report` (the document), `filling` (a model answers by a schema), `signing`, `delivery`
(the webhook), `quiet` (when a call-back may be placed). Used by the workers; knows neither Redis nor a carrier. The
facts of one call are in `voicecall.call.outcome`.
"""
