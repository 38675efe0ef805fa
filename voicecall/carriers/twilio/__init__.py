"""Twilio: webhooks, TwiML and media frames (codec), REST (control)."""
