"""Speech-to-speech: a model that hears the caller and speaks itself, as recognition and agent of a call in one."""
