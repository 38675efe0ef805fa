"""Telnyx Call Control: webhooks and media frames (codec), commands over REST (control)."""
