"""Audio and media commands between ingress and worker: lossy, fast, many items in one message."""
