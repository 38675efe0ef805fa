"""An ElevenLabs in a box: streaming text to speech over HTTP."""
