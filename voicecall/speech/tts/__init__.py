"""Speech synthesis: one file per service, and the parts that they share."""
