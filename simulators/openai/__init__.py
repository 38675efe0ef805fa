"""An OpenAI in a box: chat completions, speech and realtime transcription, as far as a phone call uses them."""
