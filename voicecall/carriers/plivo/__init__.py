"""Plivo: webhooks, Plivo XML and media frames (codec), REST (control)."""
