"""Speech: hearing (stt), speaking (tts), and cutting text and sound where people pause."""
