"""A fake ngrok agent: its command line, its JSON log, its errors, and a loopback proxy that forwards."""
